-- Whoever removes a place looks whether somebody has it as default place. The collation is that of names of places, by which that is
-- compared: an index with another one finds nothing. A step of its own: while the table is read for it nobody writes there, and no other
-- table is held.
CREATE INDEX person_of_default_place ON person (tenant, default_place COLLATE nocase) WHERE default_place IS NOT NULL;
