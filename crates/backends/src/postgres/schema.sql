-- The persistent configuration: a table per kind of object. dbid is given once and never used again.
-- Names that differ in nothing but upper and lower case are the same name.
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE tenant (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    realm TEXT NOT NULL,
    hold_music TEXT NOT NULL,
    no_answer_s BIGINT NOT NULL,
    wrap_up_s BIGINT NOT NULL,
    confirmation_prompt TEXT,
    refusal_prompt TEXT,
    country_prefix TEXT,
    national_prefix TEXT,
    international_prefix TEXT
);
CREATE TABLE tenant_codec (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    place BIGINT NOT NULL,
    codec TEXT NOT NULL,
    PRIMARY KEY (tenant, place)
);
CREATE TABLE skill (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    UNIQUE (tenant, name)
);
CREATE TABLE prompt (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    file TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE application (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    document TEXT NOT NULL,
    UNIQUE (tenant, name)
);
CREATE TABLE dn (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    number TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('extension', 'route_point', 'virtual_queue', 'echo', 'announcement')),
    password TEXT,
    no_answer_s BIGINT,
    application TEXT,
    default_dn TEXT,
    UNIQUE (tenant, number),
    FOREIGN KEY (tenant, application) REFERENCES application (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, default_dn) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE dn_prompt (
    tenant TEXT NOT NULL,
    number TEXT NOT NULL,
    place BIGINT NOT NULL,
    prompt TEXT NOT NULL COLLATE nocase,
    PRIMARY KEY (tenant, number, place),
    FOREIGN KEY (tenant, number) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, prompt) REFERENCES prompt (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE place (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    UNIQUE (tenant, name)
);
CREATE TABLE place_dn (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    dn TEXT NOT NULL,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES place (tenant, name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, dn) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE person (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    user_name TEXT NOT NULL COLLATE nocase,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    agent_id TEXT,
    login_code TEXT,
    pin TEXT,
    default_place TEXT,
    wrap_up_s BIGINT,
    UNIQUE (tenant, user_name),
    FOREIGN KEY (tenant, default_place) REFERENCES place (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE person_skill (
    tenant TEXT NOT NULL,
    user_name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    skill TEXT NOT NULL COLLATE nocase,
    level BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_name, place),
    UNIQUE (tenant, user_name, skill),
    FOREIGN KEY (tenant, user_name) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, skill) REFERENCES skill (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE number (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    dn TEXT NOT NULL,
    UNIQUE (tenant, number),
    FOREIGN KEY (tenant, dn) REFERENCES dn (tenant, number) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE trunk (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE nocase,
    contact TEXT,
    prefix TEXT,
    UNIQUE (tenant, name)
);
CREATE TABLE trunk_source (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE nocase,
    place BIGINT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (tenant, name, place),
    FOREIGN KEY (tenant, name) REFERENCES trunk (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE feature_code (
    dbid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    code TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('login', 'logout', 'ready', 'not_ready')),
    ask_pin BOOLEAN NOT NULL,
    UNIQUE (tenant, code)
);
-- Which object a revision has changed last.
CREATE TABLE change (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);
CREATE INDEX change_by_revision ON change (tenant, revision);
CREATE UNIQUE INDEX person_agent_id ON person (tenant, agent_id);
CREATE UNIQUE INDEX person_login_code ON person (tenant, login_code);
CREATE UNIQUE INDEX place_dn_once ON place_dn (tenant, dn);
