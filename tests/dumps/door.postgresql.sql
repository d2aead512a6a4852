SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempts (
    bucket character varying(64) NOT NULL,
    opened bigint NOT NULL,
    count integer NOT NULL
);
CREATE TABLE public.recovery_codes (
    hash character varying(64) NOT NULL,
    user_id integer NOT NULL
);
CREATE TABLE public.second_factors (
    user_id integer NOT NULL,
    secret character varying(255) NOT NULL,
    last_time_step bigint NOT NULL
);
CREATE TABLE public.users (
    id integer NOT NULL,
    username character varying(32) NOT NULL,
    username_key character varying(32) NOT NULL,
    email character varying(254) NOT NULL,
    password_hash character varying(255) NOT NULL,
    session_token character varying(43) NOT NULL
);
CREATE SEQUENCE public.users_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;
CREATE TABLE public.waiting_secrets (
    session_id character varying(22) NOT NULL,
    secret character varying(255) NOT NULL,
    since bigint NOT NULL
);
ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.recovery_codes VALUES ('13cd784ec78423ef61bad32a296fc75ac3462d85e8b3c23813e023d40c593b86', 1);
INSERT INTO public.recovery_codes VALUES ('e8266646529546acedf7cc340cc28ff62eb5e1fb68bcafd4b11ed2f079195f4a', 1);
INSERT INTO public.recovery_codes VALUES ('44da6f163eaa2ad96f830b12a3aabdb44e21caf252ec62c0701cc772df57b3de', 1);
INSERT INTO public.recovery_codes VALUES ('ce3f8a07eb705becc7b8fc9b59410234919f8e0383472c6564ce6761e21e4b00', 1);
INSERT INTO public.recovery_codes VALUES ('9a2b06e9008e3551e2cff6574e6a121b380c2080dd26859e58276d31ff582930', 1);
INSERT INTO public.recovery_codes VALUES ('634a9e5736f2ad7fe46202f36bfb5a75766c4b9c87004e7463b71fae0bda2e7e', 1);
INSERT INTO public.recovery_codes VALUES ('e271953b41593d3eb94f7ef2a7517acb7e5900cc8b871d88708edcc42948157a', 1);
INSERT INTO public.recovery_codes VALUES ('0f25c72baf67bfb059d150b2482f2bd0384e42a0ce6f46edf7e8c95b905aae16', 1);
INSERT INTO public.recovery_codes VALUES ('273a695329d0e68902dd20928eff3201a6d52328ec1ee9117b6a70bc785d4ae5', 1);
INSERT INTO public.recovery_codes VALUES ('da4265ecfab2cad5575ba4d74bf4387687e9b9e6cc52f73142f1275aa66e137f', 1);
INSERT INTO public.recovery_codes VALUES ('9d0ed7a1bbc32136f38ef4edf6ab1c9ce9154f36f2447cbb9c1aa308c9cafb4b', 2);
INSERT INTO public.recovery_codes VALUES ('bff4e80045dc181325dbd2b0faeb974eafa6a67335148de460da4f5c2ef67156', 2);
INSERT INTO public.recovery_codes VALUES ('f03a213dc3b5495253098c301c3daca3cafd8b482798bd1bd254f2c9d6cc732c', 2);
INSERT INTO public.recovery_codes VALUES ('c45a2b1932e746a7415b39af65bd693e92f0385a93158017e3a1c991bcc6175c', 2);
INSERT INTO public.recovery_codes VALUES ('536490f381284018defa848803178d077d60013ea60872ff2bbca77fd1ad1009', 2);
INSERT INTO public.recovery_codes VALUES ('5bdd91874e40daa7f67030c2d40cc72f845f139241f06b59a73cf5aa71225e10', 2);
INSERT INTO public.recovery_codes VALUES ('71cc6d6ffae15bb33927ba49505aefbea0366176187e4bc02c6004cc7a099836', 2);
INSERT INTO public.recovery_codes VALUES ('7bbd6a519c019c699c84511552b4375ace214e7e395ed7975fa2c8ffb396ad6a', 2);
INSERT INTO public.recovery_codes VALUES ('93c42a20b47e451662359917efed7c2d54373a5d678323ef2b603f4bd5df2255', 2);
INSERT INTO public.recovery_codes VALUES ('a86bebbe5177a0845fd2186b50bed65089cb17a553317093e92bfbfafc6057b2', 2);
INSERT INTO public.second_factors VALUES (1, 'gAAAAABrATuqcl0-wLVG1obb3zP6ButLf5FD7ACJdTxE64r2OJmgCWrnzZqtObf7vBpUIifq8BSUPAUNUnfp9b468_KAH9p1trelli2c7qob03rlRkOmD6FhHSdgZRWNMmF_RmD5MheB', 59000000);
INSERT INTO public.second_factors VALUES (2, 'gAAAAABrATursTejVH95H9_fQX44wCe0x1LQXBkYZ4j4EQ2rxDj1esiLky53cN-0ZWcc8Gg0T5VgYJb2ow0s_amUmB8B4e_dlqB_Nb48FDEeiGYQsC8ylkaEKpkzlNqqDoMwShS6_pNN', 59000000);
INSERT INTO public.users VALUES (1, 'kim', 'kim', 'kim@example.org', 'scrypt:32768:8:1$xQIOrFUidS50ee54$ef53e533a34980d381022b8d6954b7685ee6dacce432ac3c0a2433fe85b5280e06fe024f68a5021b1886feb6d78834e11fa76c8691d2e345888ebae5b2b48690', '44RVGMwD4VsKLGonj1lnkK0isLhjMBDiNj1PkliR7VY');
INSERT INTO public.users VALUES (2, 'sam', 'sam', 'sam@example.org', 'scrypt:32768:8:3$csFxmaeJIbr9cEPh$99b11f674d82884bedf9cb064ed2de324aae37a038af4159c63978f1210e6fc7e95360e7cc10026e5172a3a7315995c3d6f5549ac31c4e4dd6e0b45dfa181d59', 'MBGG2QomZ9OQKq-v3NlA2zpDLDfMSa6bgjJq3CYZ5D0');
SELECT pg_catalog.setval('public.users_id_seq', 2, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (bucket);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.second_factors
    ADD CONSTRAINT second_factors_pkey PRIMARY KEY (user_id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_session_token_key UNIQUE (session_token);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key_key UNIQUE (username_key);
ALTER TABLE ONLY public.waiting_secrets
    ADD CONSTRAINT waiting_secrets_pkey PRIMARY KEY (session_id);
CREATE INDEX ix_attempts_opened ON public.attempts USING btree (opened);
CREATE INDEX ix_recovery_codes_user_id ON public.recovery_codes USING btree (user_id);
CREATE INDEX ix_waiting_secrets_since ON public.waiting_secrets USING btree (since);
ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.second_factors
    ADD CONSTRAINT second_factors_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
