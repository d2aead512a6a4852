"""What happens between two lines that end a session."""

from tests.kit.marks import attack
from tests.kit.marks import since


@since("06")
@attack(9, 79)
def test_a_password_that_changes_while_the_old_one_is_hashed_stays_changed(
    site, account, monkeypatch
):
    newer = site.start_again(PASSWORD_HASH_METHOD="pbkdf2:sha256:2")
    passwords = site.stage.load(site.stage.folder).passwords
    hash_password = passwords.hash_password

    def owner_is_faster(password):
        site.sql("UPDATE users SET password_hash = 'the new one'")
        return hash_password(password)

    monkeypatch.setattr(passwords, "hash_password", owner_is_faster)
    newer.visitor().give_password(account)

    assert site.sql("SELECT password_hash FROM users") == [("the new one",)]
