-- Whoever removes an application looks whether a DN names it. The collation is that of names of applications, by which that is compared: an
-- index with another one finds nothing. A step of its own: while the table is read for it nobody writes there, and no other table is held.
CREATE INDEX dn_of_application ON dn (tenant, application COLLATE nocase) WHERE application IS NOT NULL;
