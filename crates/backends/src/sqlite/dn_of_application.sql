-- Whoever removes an application looks whether a DN names it. The collation is that of names of applications, by which that is compared: an
-- index with another one finds nothing.
CREATE INDEX dn_of_application ON dn (tenant, application COLLATE NOCASE) WHERE application IS NOT NULL;
