-- What few objects have besides the columns of their kinds, as JSON: their folders, and texts of their users' own. It is no foreign key: objects are
-- in many tables, and the release before removes them without it.
CREATE TABLE object_annex (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
);
-- All privileges of those who have one that the release before does not know; it counts as long as the known ones among them are those that stand
-- where that release writes them.
ALTER TABLE person ADD COLUMN later_privileges TEXT;
ALTER TABLE tenant ADD COLUMN later_second_factor TEXT;
