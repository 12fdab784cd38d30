-- Which mailbox provider serves a domain: by the table that Posthorn brings
-- ('table'), or by whom the domain's mail exchangers are ('mx'). It is small: in a
-- cluster every node has all of it.
CREATE TABLE IF NOT EXISTS {{everywhere "mailbox_providers"}}
(
    domain       String COMMENT 'Domain of addresses, lower case.',
    provider     LowCardinality(String) COMMENT 'Who serves its mail: Gmail, Microsoft 365, ...',
    told_by      LowCardinality(String) COMMENT 'How that is known: table (of Posthorn) or mx (the domain''s mail exchangers).',
    looked_up_at DateTime('UTC') COMMENT 'When; the latest counts.'
)
ENGINE = {{engineEverywhere "Replacing" "looked_up_at"}}
ORDER BY domain
COMMENT 'Which mailbox provider serves a domain.';
