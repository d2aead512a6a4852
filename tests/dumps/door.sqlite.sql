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
INSERT INTO "recovery_codes" VALUES('6fe6c1359a038fc7eaf3fbc9d92a67f7a343b0797c16c9005dae303bec4bb4ef',1);
INSERT INTO "recovery_codes" VALUES('b7ac99353f9b96e3c1a98dd0c5a40af145de177b2d5d5cd4311984df78d0cf5a',1);
INSERT INTO "recovery_codes" VALUES('23894a87c847183ae772bb54162f13104ed1012f71c0a02fbfd4a821d4a94400',1);
INSERT INTO "recovery_codes" VALUES('9d0373c3656c353b6c4796f7c751eb86257d32c8f8dd7070e13a2a888a671012',1);
INSERT INTO "recovery_codes" VALUES('d115585e83d5b7e382e8e163817c38d92420be65254880299af55da450bcfe90',1);
INSERT INTO "recovery_codes" VALUES('c2702857422604eacb02f6b05d16c74fd287799cb8c879d702720963eed79ccc',1);
INSERT INTO "recovery_codes" VALUES('5dfa406c924afb50eb707f4beadc681312cc442b13b569a8c4d01071da71e255',1);
INSERT INTO "recovery_codes" VALUES('d061f75ece28af04d5a68798d8bb2f6e0c0f187d8165ffb8d6d1d02230d43f91',1);
INSERT INTO "recovery_codes" VALUES('3383b51e924f65f9885fb3a67c0d91c8ca2a1bbfcda73bf535d972011bd01241',1);
INSERT INTO "recovery_codes" VALUES('3163ff90f5c3105644f4f65043637571a5ec49a7162ecc78d6924f60c7f3488b',1);
INSERT INTO "recovery_codes" VALUES('c3e27f525c0e8508e5b1647c78e9695b29f82be142efeeb90b972b1649c8046d',2);
INSERT INTO "recovery_codes" VALUES('e036eb1ccfa61c2561438c14f6288b590ecb37f2f58c41ddce9ef8aa3eaf3fdb',2);
INSERT INTO "recovery_codes" VALUES('9d6033e775ef3b0a466cf32f8fd1b0151d942e520c1c82535999139f19f35004',2);
INSERT INTO "recovery_codes" VALUES('dc14418856cf37b9afca7165f75f0c03e0859b5c63d85e530f6dae6b00ee67b7',2);
INSERT INTO "recovery_codes" VALUES('2cdee283a7ecf1b2e5a1d97c5c861087e4936ca58f7e687583f5d25383f0b733',2);
INSERT INTO "recovery_codes" VALUES('ae11c44d3a9adf9d18dcdfd8d6cbe896bcc67274293d6bfc9cc238177b7b73d8',2);
INSERT INTO "recovery_codes" VALUES('f587895d90c67a25e34bcda0864d2a39d6ff3c74a2f148acb103fbbaa44e1d2e',2);
INSERT INTO "recovery_codes" VALUES('9b125403f47b3f7d7204c31b8dc8b6e9f4ef4c94ab29241c2baabe04c5f00cf2',2);
INSERT INTO "recovery_codes" VALUES('799039b19278cbbf6ed0ead7e8a2ff597887ebb5e02632486837b377267ba3c1',2);
INSERT INTO "recovery_codes" VALUES('3fb4edfab1f3907e52dfe5468ef16134100a2b5b281d11413bbc1a4df7f48c16',2);
CREATE TABLE second_factors (
	user_id INTEGER NOT NULL, 
	encrypted_secret VARCHAR(255) NOT NULL, 
	last_time_step BIGINT NOT NULL, 
	PRIMARY KEY (user_id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "second_factors" VALUES(1,'gAAAAABrCACR__Iltj2iNyIh8JAAfcu8bPyQKhCHlgKV9LJ2_x6IbSV1vcYxgl9_5V2Gad-dcwet3VIqrq8KvLL3Xy6WSiAP4Yu8v2D-0D81bhGWjYn1gLulAiRbd7w1hSpZByNYXr4u',59000000);
INSERT INTO "second_factors" VALUES(2,'gAAAAABrCACRhYwqhWF21fqKMiR2nBJP7lwqflLzDNfJ8nRz1eWBOMgo4MB1CYPhkhQ5NDr27M1ITpIn5KDpjq0NJgKwnGhOIUDe6idyKhvV0zcfNXNolII1SgJjQIGRIWBpoSeFNOZo',59000000);
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
INSERT INTO "users" VALUES(1,'kim','kim','kim@example.org','scrypt:32768:8:1$Jej12GuN6WeueotC$3520165c3fab1aaa9e575a9f7b207d999241793ebe91a1535fbba19f719e9918be9c3b4f04afdbb3de607bcde09b6533a8f3f40d84ae87efbbbb2e23b2c5bff4','jaRsSdBvqCKato3w8s69gQxlKK8GCOhd-1PCBknWCpU');
INSERT INTO "users" VALUES(2,'sam','sam','sam@example.org','scrypt:32768:8:3$HihIwJrRkO4yv2Bl$e0df17d846bf0969fe87083bd5e90ceefeb2b9fbca1858fd444e2015bbea9ea3d55f377a788312a625d4132c96ffbae4b0eb1d75a42b00c7991bee51c50486d6','oMvaDTpzb5YNaQs-SLzTTxV9lxjwfP5cqP-lLclzUc4');
CREATE INDEX ix_recovery_codes_user_id ON recovery_codes (user_id);
CREATE INDEX ix_pending_secrets_created_at ON pending_secrets (created_at);
CREATE INDEX ix_rate_limit_counters_window_started_at ON rate_limit_counters (window_started_at);
COMMIT;
