-- Whoever removes a DN looks whether a number leads to it.
CREATE INDEX number_of_dn ON number (tenant, dn);
