-- What an audit row says beside who, when and what was found: the question as a pseudonym, why an answer was poorer,
-- and what the caller passes. Feedback on answers, and the seals that make later changes evident.
;;
alter table audit
    add column query       jsonb not null default '{}',
    add column reasons     text[] not null default '{}',
    add column versions    jsonb not null default '{}',
    add column correlation jsonb not null default '{}',
    -- when the answer was given, where the row could only be delivered later
    add column asked_at    timestamptz
;;
create index audit_request on audit (request_id)
;;
-- The time of a row is the database's own: a runtime that could choose it could write into days that are sealed.
revoke insert on audit from knowledge_reader
;;
grant insert (
    request_id, tenant, principal, query, release, model, k, filters, hits, scores, timings, degraded, reasons,
    versions, correlation
) on audit to knowledge_reader
;;
create table feedback (
    at         timestamptz not null default now(),
    request_id uuid not null,
    tenant     int not null,
    principal  text not null,
    outcome    text not null check (outcome in ('answered', 'not_answered', 'wrong')),
    comment    text
) partition by range (at)
;;
create table feedback_rest partition of feedback default
;;
create index feedback_request on feedback (request_id)
;;
alter table feedback enable row level security
;;
alter table feedback force row level security
;;
create policy owner on feedback to knowledge_owner using (true) with check (true)
;;
alter table feedback_rest enable row level security
;;
alter table feedback_rest force row level security
;;
create policy owner on feedback_rest to knowledge_owner using (true) with check (true)
;;
-- One entry for each day that is over, and for each month that retention dropped. `digest` is a hash of the rows,
-- `chain` a keyed hash of the entry and of the entry before it.
create table seal (
    number        int primary key check (number > 0),
    kind          text not null check (kind in ('day', 'drop')),
    day           date not null,
    audit_rows    bigint not null,
    feedback_rows bigint not null,
    digest        text not null,
    chain         text not null,
    sealed_at     timestamptz not null
)
;;
-- Record what became of an answer. False where the tenant that was entered never asked that.
create function give_feedback(a_request uuid, a_principal text, a_outcome text, a_comment text)
returns boolean
language plpgsql security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
declare
    v_tenant int := current_setting('knowledge.tenant')::int;
begin
    if not exists (select 1 from audit a where a.request_id = a_request and a.tenant = v_tenant) then
        return false;
    end if;
    insert into feedback (request_id, tenant, principal, outcome, comment)
    values (a_request, v_tenant, a_principal, a_outcome, a_comment);
    return true;
end
$$
;;
revoke all on function give_feedback(uuid, text, text, text) from public
;;
grant execute on function give_feedback(uuid, text, text, text) to knowledge_reader
;;
-- Deliver the row of an answer that was given without the database. False where it was delivered before.
create function late_audit(
    a_asked_at timestamptz, a_request uuid, a_principal text, a_query jsonb, a_release int, a_model text, a_k int,
    a_filters jsonb, a_hits text[], a_scores real[], a_timings jsonb, a_reasons text[], a_versions jsonb,
    a_correlation jsonb
)
returns boolean
language plpgsql security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
declare
    v_tenant int := current_setting('knowledge.tenant')::int;
begin
    perform pg_advisory_xact_lock(hashtextextended(a_request::text, 0));
    if exists (select 1 from audit a where a.request_id = a_request) then
        return false;
    end if;
    insert into audit (request_id, tenant, principal, query, release, model, k, filters, hits, scores, timings,
                       degraded, reasons, versions, correlation, asked_at)
    values (a_request, v_tenant, a_principal, a_query, a_release, a_model, a_k, a_filters, a_hits, a_scores,
            a_timings, true, a_reasons, a_versions, a_correlation, a_asked_at);
    return true;
end
$$
;;
revoke all on function late_audit(timestamptz, uuid, text, jsonb, int, text, int, jsonb, text[], real[], jsonb,
                                  text[], jsonb, jsonb) from public
;;
grant execute on function late_audit(timestamptz, uuid, text, jsonb, int, text, int, jsonb, text[], real[], jsonb,
                                     text[], jsonb, jsonb) to knowledge_reader
