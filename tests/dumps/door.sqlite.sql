BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE pending_secrets (
	session_id VARCHAR(22) NOT NULL, 
	encrypted_secret VARCHAR(255) NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (session_id)
);
CREATE TABLE rate_limit_counters (
	bucket VARCHAR(64) NOT NULL, 
	window_started_at BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	PRIMARY KEY (bucket)
);
CREATE TABLE recovery_codes (
	code_hash VARCHAR(64) NOT NULL, 
	user_id INTEGER NOT NULL, 
	PRIMARY KEY (code_hash), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "recovery_codes" VALUES('3ce5612696d5c2a48b51ace4d7738f507412612e361431a585ef214b474cfb97',1);
INSERT INTO "recovery_codes" VALUES('31453f80ad4492fa3ad46c5bb19cb82f8fa4b53bf837e06a2bebaa0e04366c9a',1);
INSERT INTO "recovery_codes" VALUES('105f943f5c05ae011fa1153fad6c0a5d41e44a4a41fa860e024b74c45df657d6',1);
INSERT INTO "recovery_codes" VALUES('04a125c13615be801a36a3ab9e42db5fb6d3dd17c92a1d9b520659a1d5efd3c4',1);
INSERT INTO "recovery_codes" VALUES('b5f220e44d8634dfb9fe886e4aa2448a87ebc1aa67433014949f5066fe18372f',1);
INSERT INTO "recovery_codes" VALUES('39e249c07e401a108d12465e7fadfc8423c699335db21f0718c846d0af999ecf',1);
INSERT INTO "recovery_codes" VALUES('9175f412d662df362f56c50493bb9a60e90ae0d57ff8f81c4cc997463458a73a',1);
INSERT INTO "recovery_codes" VALUES('082e6b4c2dff1a54984d988d81b55b2ab0657b3a580cb66555a8c2fec28ffef2',1);
INSERT INTO "recovery_codes" VALUES('7415903335ab34930a87097c2f58ffc65bd64f2068814c7642e2193cb834b2f3',1);
INSERT INTO "recovery_codes" VALUES('ba147340f1c540ba4184b20fe91a946d3a24482aaee9193035fa69fd152c37ec',1);
INSERT INTO "recovery_codes" VALUES('e61637b40cced5e693227808d11475e390b3a82238d488b4b41852a1fd86a84a',2);
INSERT INTO "recovery_codes" VALUES('dc175f5f42c9326ea7b262eef142b4feb6a6c9e13e1de89ed16d24b4308e4c8f',2);
INSERT INTO "recovery_codes" VALUES('923d8075781c70016090583f8eddb7f32656c852ed594b33927c730ab050f923',2);
INSERT INTO "recovery_codes" VALUES('cd0d3d05d6665dee26504a60aaf9aae824cb98b82182df1158d8afaa43dd5141',2);
INSERT INTO "recovery_codes" VALUES('b9adabb85853d29836696e72e1d619807d73ea8f154e84d83e3ab82fed3a24f3',2);
INSERT INTO "recovery_codes" VALUES('3f2ef531e9f9f048f007c6525f0f1752543cb2cef55beb89f4734e91cc134867',2);
INSERT INTO "recovery_codes" VALUES('e91c1bef5058550c452d2790b22f6b7503a0f6fab1fdb94d69bd6cf5bc39c3d1',2);
INSERT INTO "recovery_codes" VALUES('096e27c144368894daaae4de55d9ab180272d96e5106fd612ceda75c992b2ab5',2);
INSERT INTO "recovery_codes" VALUES('7f4136a82340d0270fa4d566874357969c0fb78a79996c54ea040b7bfa69d984',2);
INSERT INTO "recovery_codes" VALUES('3b5f4d7bb5b6bfa171ff6dbfeed21858a3dd49513a991c080e55b31f893b07a1',2);
CREATE TABLE second_factors (
	user_id INTEGER NOT NULL, 
	encrypted_secret VARCHAR(255) NOT NULL, 
	last_time_step BIGINT NOT NULL, 
	PRIMARY KEY (user_id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "second_factors" VALUES(1,'gAAAAABrCBR_BzPYaK_fqy2BcIrHxsDJJIYjwHBhYTyygCsdX90RwvMKV5KKDc3HeW7EsGYMWh0gvvcZUPI1qwqLAyB28MHk3wCzvPeuhekUEuYh6vpHfVfYhFUfuv0kZmi3w-t_2z2c',59000000);
INSERT INTO "second_factors" VALUES(2,'gAAAAABrCBSAHLDhtrw1vRKT7DtpFS4t0yS9EMwdULZbb07frVR8qJRIYfIjmb03Lqr5L1UChhQPmAEDoUUK0sgjnnePLBCMJag8X--WNY01Znf1Y_ZtvUf_tnPef_3zyLyqAZWsFAEW',59000000);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	username VARCHAR(32) NOT NULL, 
	normalised_username VARCHAR(32) NOT NULL, 
	email VARCHAR(254) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	session_token VARCHAR(43) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (normalised_username), 
	UNIQUE (email), 
	UNIQUE (session_token)
);
INSERT INTO "users" VALUES(1,'kim','kim','kim@example.org','scrypt:32768:8:1$KBDnIdKEKYtxE3OO$162caaeaed37bf17bc97820d3d865a3050ded2f432f0d9b69885dc453d58e34b1f62d495e8887757a960723763750199e60c6db9168e4878cbc3be05c8f05992','yKy8TWza0K-UdUhUk83rHCbMhEQpbKi-vkWwluVg0-U');
INSERT INTO "users" VALUES(2,'sam','sam','sam@example.org','scrypt:32768:8:3$3HRLRsBeEyzxecNj$06e7353cc037897baab9dc346b1c1110af83c8ad96c57a99372937189195b758e8f1bb9d14c36ba29c64f477e914714d3f248c0f23364ff2224f3dfff9c6e368','sKXpC54SkAEcN-Zq0AAYOMmH7HbUDyrepSXSrw4Naa4');
CREATE INDEX ix_recovery_codes_user_id ON recovery_codes (user_id);
CREATE INDEX ix_pending_secrets_created_at ON pending_secrets (created_at);
CREATE INDEX ix_rate_limit_counters_window_started_at ON rate_limit_counters (window_started_at);
COMMIT;
