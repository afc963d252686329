-- The rule that says how many interactions somebody has at a time. It is no foreign key: rules are documents.
ALTER TABLE person ADD COLUMN capacity_rule TEXT;
ALTER TABLE place ADD COLUMN capacity_rule TEXT;
