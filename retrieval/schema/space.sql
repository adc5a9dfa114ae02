-- Tables of one space; {schema} and {dimension} are filled in by schema/migrate.py.
;;
create schema {schema}
;;
-- A document as a range of releases sees it.
create table {schema}.document (
    tenant      int not null,
    document    int not null,
    document_id uuid not null,
    digest      text not null,
    version     int not null,
    source      text not null,
    path        text not null,
    title       text not null,
    language    text not null,
    authors     text[] not null,
    tags        text[] not null,
    published   date,
    url         text,
    acl_id      int not null,
    valid_from  timestamptz not null,
    expires_at  timestamptz,
    added_in    int not null,
    removed_in  int not null default 2147483647,
    primary key (tenant, document, added_in)
) partition by list (tenant)
;;
-- A passage. Its number orders ties and names it in postings; it is never used again. What the vector leg reads of
-- every row stands first: to get at a column, Postgres walks over all before it.
create table {schema}.chunk (
    tenant      int not null,
    chunk       int not null,
    document    int not null,
    acl_id      int not null,
    added_in    int not null,
    removed_in  int not null default 2147483647,
    embedding   {vector}halfvec({dimension}) not null,
    expires_at  timestamptz,
    chunk_id    text not null,
    digest      text not null,
    version     int not null,
    ordinal     int not null,
    text        text not null,
    text_sha256 text not null,
    heading     text,
    page        int,
    speaker     text,
    start_s     double precision,
    end_s       double precision,
    char_start  int not null,
    char_end    int not null,
    length      smallint not null,
    valid_from  timestamptz not null,
    flags       text[] not null default '{}',
    primary key (tenant, chunk)
) partition by list (tenant)
;;
-- Postings of one term, access set and segment: packed (chunk int4, frequency int2, length int2), little-endian.
create table {schema}.posting (
    tenant  int not null,
    term    text collate "C" not null,
    acl_id  int not null,
    segment int not null,
    post    bytea not null,
    primary key (tenant, term, acl_id, segment)
) partition by list (tenant)
;;
create table {schema}.stat (
    tenant  int not null,
    acl_id  int not null,
    segment int not null,
    chunks  int not null,
    length  bigint not null,
    primary key (tenant, acl_id, segment)
) partition by list (tenant)
;;
-- Chunks of a segment that some reader must not count any more: removed since, or expired.
create table {schema}.mask (
    tenant     int not null,
    segment    int not null,
    chunk      int not null,
    acl_id     int not null,
    length     smallint not null,
    removed_in int not null default 2147483647,
    expires_at timestamptz not null default 'infinity',
    primary key (tenant, segment, chunk)
) partition by list (tenant)
;;
-- What an exact scan reads, and nothing else: a passage's row is twice as large as its vector, and those that somebody
-- sees lie scattered among the others.
create index chunk_visible on {schema}.chunk (tenant, acl_id) {covered}
;;
create index on {schema}.chunk (tenant, document)
;;
create index on {schema}.chunk (tenant, expires_at) where expires_at is not null
;;
create index on {schema}.mask (tenant, removed_in) where removed_in < 2147483647
;;
create index on {schema}.mask (tenant, expires_at) where expires_at < 'infinity'
;;
-- The planner tells what it knows of a table to everybody who may explain a statement over it: of texts it knows nothing.
alter table {schema}.chunk
    alter column text set statistics 0,
    alter column text_sha256 set statistics 0,
    alter column chunk_id set statistics 0,
    alter column digest set statistics 0,
    alter column heading set statistics 0,
    alter column speaker set statistics 0,
    alter column flags set statistics 0,
    alter column embedding set statistics 0
;;
alter table {schema}.document
    alter column document_id set statistics 0,
    alter column digest set statistics 0,
    alter column path set statistics 0,
    alter column title set statistics 0,
    alter column authors set statistics 0,
    alter column tags set statistics 0,
    alter column url set statistics 0,
    alter column published set statistics 0
;;
alter table {schema}.posting alter column post set statistics 0
;;
grant usage on schema {schema} to knowledge_reader
