// What Python in a page lacks, computed by @noble/hashes and @noble/ciphers.
import { cbc } from "@noble/ciphers/aes.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { scrypt } from "@noble/hashes/scrypt.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

const hashes = { sha1, sha256, sha512 };

export const noble = {
  scrypt: (word, salt, N, r, p, dkLen) => scrypt(word, salt, { N, r, p, dkLen }),
  pbkdf2: (hash, word, salt, c, dkLen) => pbkdf2(hashes[hash], word, salt, { c, dkLen }),
  encrypt: (key, iv, data) => cbc(key, iv).encrypt(data),
  decrypt: (key, iv, data) => cbc(key, iv).decrypt(data),
};
