-- Whoever removes a skill looks whether somebody has it. A step of its own: while the table is read for it nobody writes there, and no
-- other table is held.
CREATE INDEX person_skill_of_skill ON person_skill (tenant, skill);
