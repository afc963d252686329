-- Whoever removes a DN looks whether a number leads to it. A step of its own: while the table is read for it nobody writes there, and no
-- other table is held.
CREATE INDEX number_of_dn ON number (tenant, dn);
