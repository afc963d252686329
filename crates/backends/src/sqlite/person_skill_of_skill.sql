-- Whoever removes a skill looks whether somebody has it.
CREATE INDEX person_skill_of_skill ON person_skill (tenant, skill);
