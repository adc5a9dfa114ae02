-- Tenants, access sets, spaces, releases, the audit log, and the one function through which a reader enters.
-- Owner of everything here is knowledge_owner; the runtime is knowledge_reader and owns nothing.
;;
create table tenant (
    id   int generated always as identity primary key,
    name text not null unique check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$')
)
;;
-- One row for each distinct access set; everything that access decides carries its integer.
create table acl (
    id        int generated always as identity primary key,
    tenant    int not null references tenant,
    roles     text[] not null check (cardinality(roles) > 0),
    clearance smallint not null check (clearance between 0 and 3),
    unique (tenant, roles, clearance)
)
;;
-- A space holds what one embedding model and one analyser can search together, in a schema of its own.
create table space (
    id          int generated always as identity primary key,
    fingerprint text not null,
    dimension   int not null check (dimension between 1 and 4000),
    analyzer    text not null,
    created_at  timestamptz not null,
    unique (fingerprint, analyzer)
)
;;
create table release (
    number      int primary key check (number > 0),
    space       int not null references space,
    state       text not null check (state in ('candidate', 'released', 'purged')),
    created_at  timestamptz not null,
    released_at timestamptz,
    documents   int not null,
    chunks      int not null,
    added       int not null,
    removed     int not null,
    check ((state = 'candidate') = (released_at is null))
)
;;
-- What is served: one row. `held` keeps new releases from being promoted by themselves after a rollback.
create table serving (
    only_row boolean primary key default true check (only_row),
    release  int references release,
    held     boolean not null default false,
    since    timestamptz not null default now()
)
;;
insert into serving default values
;;
-- Which segments of postings a release reads. A segment is named by the release that wrote it and holds the
-- chunks added by the releases added_from to added_to; merging replaces it by a later one.
create table segment (
    space      int not null references space,
    tenant     int not null references tenant,
    segment    int not null,
    added_from int not null,
    added_to   int not null,
    added_in   int not null,
    removed_in int not null default 2147483647,
    primary key (space, tenant, segment)
)
;;
-- Numbers given to documents and chunks of a tenant in a space, so that none is ever given twice.
create table numbering (
    space         int not null references space,
    tenant        int not null references tenant,
    last_document int not null default 0,
    last_chunk    int not null default 0,
    primary key (space, tenant)
)
;;
create table audit (
    at         timestamptz not null default now(),
    request_id uuid not null,
    tenant     int not null,
    principal  text not null,
    release    int not null,
    model      text not null,
    k          int not null,
    filters    jsonb not null,
    hits       text[] not null,
    scores     real[] not null,
    timings    jsonb not null,
    degraded   boolean not null
) partition by range (at)
;;
create table audit_rest partition of audit default
;;
alter table audit enable row level security
;;
alter table audit force row level security
;;
create policy write_own on audit for insert to knowledge_reader
    with check (tenant = current_setting('knowledge.tenant')::int)
;;
create policy owner on audit to knowledge_owner using (true) with check (true)
;;
alter table audit_rest enable row level security
;;
alter table audit_rest force row level security
;;
create policy owner on audit_rest to knowledge_owner using (true) with check (true)
;;
grant usage on schema knowledge to knowledge_reader
;;
grant insert on audit to knowledge_reader
;;
-- Enter a transaction as a principal: fixes release, visible access sets and segments for its rest. The settings
-- are what the policies read; without them every policy fails. What is wrong comes back as `problem` and not as an
-- error, so that the statements sent right behind it run, and see nothing.
create function enter(a_tenant text, a_roles text[], a_clearance int, a_release int default null)
returns table (problem text, release int, space int, fingerprint text, dimension int, analyzer text, tenant int)
language plpgsql security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_tenant int; v_release int; v_state text; v_space space%rowtype;
begin
    perform set_config('knowledge.acl', '{}', true), set_config('knowledge.segments', '{}', true),
            set_config('knowledge.tenant', '0', true), set_config('knowledge.release', '0', true);
    if a_tenant is null or a_roles is null or a_clearance is null or cardinality(a_roles) = 0 then
        return query select 'principal', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select t.id into v_tenant from tenant t where t.name = a_tenant;
    if v_tenant is null then
        return query select 'tenant', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select coalesce(a_release, s.release) into v_release from serving s;
    select r.state into v_state from release r where r.number = v_release;
    if v_state is null or v_state = 'purged' then
        return query select 'release', null::int, null::int, null::text, null::int, null::text, null::int;
        return;
    end if;
    select s.* into v_space from space s join release r on r.space = s.id where r.number = v_release;
    perform
        set_config('knowledge.tenant', v_tenant::text, true),
        set_config('knowledge.release', v_release::text, true),
        set_config('knowledge.acl', coalesce((
            select array_agg(a.id order by a.id) from acl a
            where a.tenant = v_tenant and a.clearance <= a_clearance and a.roles && a_roles), '{}')::text, true),
        set_config('knowledge.segments', coalesce((
            select array_agg(g.segment order by g.segment) from segment g
            where g.space = v_space.id and g.tenant = v_tenant
              and g.added_in <= v_release and g.removed_in > v_release), '{}')::text, true);
    return query select null::text, v_release, v_space.id, v_space.fingerprint, v_space.dimension, v_space.analyzer, v_tenant;
end
$$
;;
revoke all on function enter(text, text[], int, int) from public
;;
grant execute on function enter(text, text[], int, int) to knowledge_reader
;;
-- What a reader may know of the release in force: its number and the space it lies in, no counts.
create function current_release()
returns table (release int, space int, fingerprint text, dimension int, analyzer text)
language sql stable security definer set search_path = knowledge, pg_catalog, pg_temp
as $$
    select r.number, s.id, s.fingerprint, s.dimension, s.analyzer
    from serving v join release r on r.number = v.release join space s on s.id = r.space
$$
;;
revoke all on function current_release() from public
;;
grant execute on function current_release() to knowledge_reader
