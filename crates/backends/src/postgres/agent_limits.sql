-- Whether a rule limits what each agent spends, at whichever phone (1 or 0). Its `spender` is phone then: the release before limits each phone.
ALTER TABLE dial_rule ADD COLUMN by_agent BIGINT;
