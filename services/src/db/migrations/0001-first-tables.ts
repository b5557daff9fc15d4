import { sql, type Kysely } from "kysely";

const ID = "^[a-z0-9][a-z0-9._-]{0,62}$";
const MAX_REVISION = 9007199254740991n;

// A migration is frozen once it was released: it imports nothing of the
// program, so that it does the same in every later version.
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table channel (
    name text primary key constraint channel_name_form check (name ~ '${ID}'),
    head_revision bigint not null default 0
      constraint channel_head_range check (head_revision between 0 and ${MAX_REVISION}),
    threshold smallint not null
      constraint channel_threshold_range check (threshold between 1 and 16),
    paused boolean not null default false,
    enrolment text not null default 'open'
      constraint channel_enrolment_known check (enrolment in ('open', 'token', 'approve')),
    created_at timestamptz not null default now()
  )`,
  `create function refuse_lower_head() returns trigger language plpgsql as $$
  begin
    raise exception 'the head of channel % does not fall from % to %',
      old.name, old.head_revision, new.head_revision
      using errcode = 'check_violation', constraint = 'channel_head_never_falls';
  end $$`,
  `create trigger channel_head_never_falls before update on channel for each row
    when (new.head_revision < old.head_revision) execute function refuse_lower_head()`,

  `create table channel_key (
    channel text not null references channel on delete cascade,
    public_key bytea not null constraint channel_key_length check (length(public_key) = 32),
    name text not null constraint channel_key_name_length check (length(name) <= 64),
    position smallint not null,
    primary key (channel, public_key)
  )`,

  `create table listing (
    digest bytea primary key,
    content bytea not null constraint listing_size check (length(content) between 1 and 4194304),
    stored_at timestamptz not null default now(),
    constraint listing_digest_is_sha256 check (digest = sha256(content))
  )`,

  `create table release (
    channel text not null references channel,
    revision bigint not null
      constraint release_revision_range check (revision between 1 and ${MAX_REVISION}),
    published_by text not null,
    published_at timestamptz not null default now(),
    primary key (channel, revision)
  )`,

  // The key's order serves "newest manifest for the target up to the head".
  `create table manifest (
    channel text not null,
    target text not null constraint manifest_target_form check (target = '' or target ~ '${ID}'),
    revision bigint not null,
    envelope bytea not null
      constraint manifest_envelope_size check (length(envelope) between 1 and 24576),
    payload_sha256 bytea not null
      constraint manifest_payload_sha256_length check (length(payload_sha256) = 32),
    system text not null,
    store_path text not null,
    closure_bytes numeric(20) not null,
    closure_digest bytea constraint manifest_listing_known references listing,
    issued_at_s bigint not null,
    not_after_s bigint not null,
    message text not null,
    source_revision text not null,
    primary key (channel, target, revision),
    constraint manifest_payload_once unique (channel, payload_sha256),
    foreign key (channel, revision) references release
  )`,
  `create index manifest_by_release on manifest (channel, revision)`,

  `create table manifest_signature (
    channel text not null,
    target text not null,
    revision bigint not null,
    public_key bytea not null
      constraint manifest_signature_key_length check (length(public_key) = 32),
    key_id bytea not null constraint manifest_signature_key_id_length check (length(key_id) = 16),
    added_at timestamptz not null default now(),
    primary key (channel, target, revision, public_key),
    foreign key (channel, target, revision) references manifest
  )`,

  `create table audit (
    id bigint primary key generated always as identity,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject text not null,
    address text not null,
    before jsonb,
    after jsonb
  )`,
  `create function refuse_audit_change() returns trigger language plpgsql as $$
  begin
    raise exception 'the audit is append-only'
      using errcode = 'check_violation', constraint = 'audit_append_only';
  end $$`,
  `create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function refuse_audit_change()`,

  `create table device (
    id text primary key constraint device_id_form check (id ~ '${ID}'),
    channel text not null constraint device_channel_form check (channel ~ '${ID}'),
    target text not null constraint device_target_form check (target = '' or target ~ '${ID}'),
    standing text not null constraint device_standing_known
      check (standing in ('accepted', 'pending', 'rejected', 'revoked')),
    public_key bytea not null constraint device_key_length check (length(public_key) = 32),
    key_epoch integer not null default 1 constraint device_key_epoch_positive check (key_epoch > 0),
    tags text[] not null default '{}',
    pinned_revision bigint not null default 0,
    retry_revision bigint not null default 0,
    inventory bytea,
    system text not null default '',
    enrolled_at timestamptz not null default now()
  )`,
  `create index device_by_channel on device (channel, id)`,

  // 15 % of each page stay free so that an update finds room beside its row
  // (heap-only): no index entry is written and the page is pruned by the next.
  `create table device_status (
    device_id text primary key references device on delete cascade,
    key_epoch integer not null,
    sequence bigint not null,
    boot_id text not null,
    state integer not null,
    running text not null,
    booted text not null,
    profile text not null,
    floor_revision bigint not null,
    floor_sha256 bytea not null,
    committed_revision bigint not null,
    attempt_id text,
    agent_version text not null,
    agent_level bigint not null,
    pinned_key_ids text[] not null,
    quarantined_revisions bigint[] not null,
    last_seen_at timestamptz not null default now()
  ) with (fillfactor = 85)`,

  `create table attempt (
    device_id text not null references device on delete cascade,
    attempt_id text not null,
    channel text not null,
    revision bigint not null,
    outcome integer not null,
    failure_code integer not null,
    detail bytea not null,
    first_reported_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    primary key (device_id, attempt_id)
  )`,
  `create index attempt_by_release on attempt (channel, revision, device_id)`,

  `create table device_event (
    device_id text not null references device on delete cascade,
    event_id text not null,
    number numeric(20) not null,
    received_at timestamptz not null default now(),
    detail bytea not null,
    primary key (device_id, event_id, received_at)
  ) partition by range (received_at)`,
  `create index device_event_by_time on device_event (device_id, received_at, number, event_id)`,
  // Months are made ahead; a clock that jumps beyond them loses nothing.
  `create table device_event_other partition of device_event default`,
];
