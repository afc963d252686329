-- What names people.
CREATE TABLE access_group_person (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    person TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, person, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES access_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE privilege_role_person (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    person TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, person, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES privilege_role (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE folder_person (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    person TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, person, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES folder (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE agent_group_agent (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    person TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, person, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES agent_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE agent_group_manager (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    nth INTEGER NOT NULL,
    person TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name, nth),
    UNIQUE (tenant, person, name, nth),
    FOREIGN KEY (tenant, name) REFERENCES agent_group (tenant, name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE agent_login (
    dbid INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL COLLATE NOCASE,
    document TEXT NOT NULL,
    person TEXT COLLATE NOCASE,
    UNIQUE (tenant, name),
    UNIQUE (tenant, person, dbid),
    FOREIGN KEY (tenant, person) REFERENCES person (tenant, user_name) DEFERRABLE INITIALLY DEFERRED
);
-- The capacity rule of a person in a row with a key: in the table of people it is a column of before, without one.
CREATE TABLE person_capacity_rule (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    capacity_rule TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (tenant, name),
    UNIQUE (tenant, capacity_rule, name),
    FOREIGN KEY (tenant, name) REFERENCES person (tenant, user_name) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (tenant, capacity_rule) REFERENCES capacity_rule (tenant, name) DEFERRABLE INITIALLY DEFERRED
);
