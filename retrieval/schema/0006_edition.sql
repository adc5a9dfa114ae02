-- The edition of the index: another value after each transaction that changed anything that a reader may see, in any
-- release. What is kept of an answer is kept for one edition. Tables say by themselves that they have changed.
;;
alter table serving add column edition uuid not null default gen_random_uuid()
;;
create function changed() returns trigger
language plpgsql set search_path = knowledge, pg_catalog, pg_temp
as $$
begin
    -- once a transaction: each update leaves a dead row behind
    if current_setting('knowledge.changed_by', true) is distinct from pg_current_xact_id()::text then
        update serving set edition = gen_random_uuid();
        perform set_config('knowledge.changed_by', pg_current_xact_id()::text, true);
    end if;
    return null;
end
$$
;;
revoke all on function changed() from public
;;
create function edition() returns uuid
language sql stable security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
    select edition from serving
$$
;;
revoke all on function edition() from public
;;
grant execute on function edition() to knowledge_reader
;;
do $$
declare
    v_table text;
begin
    for v_table in
        select c.oid::regclass::text
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join space s on n.nspname = 'space_' || s.id
        where c.relkind in ('r', 'p') and c.relname ~ '^(document|chunk|posting|stat|mask)(_[0-9]+)?$'
    loop
        execute format('create trigger changed after insert or update or delete or truncate on %s'
                       ' for each statement execute function changed()', v_table);
    end loop;
end
$$
;;
-- Whether a row was delivered is asked within the tenant alone: what another one has asked is not told.
create or replace function late_audit(
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
    perform pg_advisory_xact_lock(hashtextextended(a_request::text, v_tenant));
    if exists (select 1 from audit a where a.request_id = a_request and a.tenant = v_tenant) then
        return false;
    end if;
    insert into audit (request_id, tenant, principal, query, release, model, k, filters, hits, scores, timings,
                       degraded, reasons, versions, correlation, asked_at)
    values (a_request, v_tenant, a_principal, a_query, a_release, a_model, a_k, a_filters, a_hits, a_scores,
            a_timings, true, a_reasons, a_versions, a_correlation, a_asked_at);
    return true;
end
$$
