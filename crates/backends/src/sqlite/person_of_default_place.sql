-- Whoever removes a place looks whether somebody has it as default place. The collation is that of names of places, by which that is
-- compared: an index with another one finds nothing.
CREATE INDEX person_of_default_place ON person (tenant, default_place COLLATE NOCASE) WHERE default_place IS NOT NULL;
