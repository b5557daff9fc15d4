import { sql, type Kysely } from "kysely";

const ID = "^[a-z0-9][a-z0-9._-]{0,62}$";
/** One hour. */
const DEVICE_TIMEOUT_MS = 3_600_000;
const TOKEN_ID = "^[a-z0-9]{8,32}$";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Rises with every update, so that a reader sees by one number that offers on
  // the channel have to be decided anew.
  `alter table channel add column version bigint not null default 0`,
  `create function raise_channel_version() returns trigger language plpgsql as $$
  begin
    new.version := old.version + 1;
    return new;
  end $$`,
  `create trigger channel_version_rises before update on channel for each row
    execute function raise_channel_version()`,

  `alter table channel
    add column pause_changed_at timestamptz not null default now(),
    add column device_timeout_ms bigint not null default ${DEVICE_TIMEOUT_MS}
      constraint channel_device_timeout_range check (device_timeout_ms between 60000 and 31536000000)`,
  `create table rollout (
    channel text not null,
    revision bigint not null,
    state text not null default 'running'
      constraint rollout_state_known check (state in ('running', 'paused')),
    changed_at timestamptz not null default now(),
    changed_by text not null default '',
    offered_since timestamptz not null default now(),
    device_timeout_ms bigint not null default ${DEVICE_TIMEOUT_MS}
      constraint rollout_device_timeout_range check (device_timeout_ms between 60000 and 31536000000),
    primary key (channel, revision),
    foreign key (channel, revision) references release
  )`,
  `insert into rollout (channel, revision, changed_at, offered_since)
    select channel, revision, published_at, published_at from release`,

  // In the order in which the newest attempt of each device at a release is asked
  // for, with what is counted: no row is sorted and none of the table is read.
  `drop index attempt_by_release`,
  `create index attempt_by_release
    on attempt (channel, revision, device_id, first_reported_at desc, attempt_id desc)
    include (outcome)`,

  // A manifest that a device returned may come without its listing, which a
  // restored server has lost. Publish checks by itself that listings are there.
  `alter table manifest drop constraint manifest_listing_known`,
  // A signed leave to move to another channel.
  `alter table manifest add column next_channel text not null default ''`,
  `create index manifest_by_next_channel on manifest (channel, next_channel)
    where next_channel <> ''`,
  `create table returned_manifest (
    channel text not null references channel on delete cascade,
    target text not null
      constraint returned_manifest_target_form check (target = '' or target ~ '${ID}'),
    revision bigint not null,
    payload_sha256 bytea not null
      constraint returned_manifest_sha256_length check (length(payload_sha256) = 32),
    envelope bytea not null
      constraint returned_manifest_envelope_size check (length(envelope) between 1 and 24576),
    device_id text not null,
    received_at timestamptz not null default now(),
    primary key (channel, revision, target, payload_sha256)
  )`,

  `create table operator_token (
    id text primary key constraint operator_token_id_form check (id ~ '${TOKEN_ID}'),
    name text not null
      constraint operator_token_name_length check (length(name) between 1 and 64),
    secret_sha256 bytea not null
      constraint operator_token_digest_length check (length(secret_sha256) = 32),
    scopes text[] not null
      constraint operator_token_scopes_some check (cardinality(scopes) between 1 and 64),
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    suspended_at timestamptz,
    last_used_at timestamptz
  )`,
  `create table console_session (
    id_sha256 bytea primary key
      constraint console_session_digest_length check (length(id_sha256) = 32),
    token_id text references operator_token on delete cascade,
    secret_sha256 bytea not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now()
  )`,
  `create table enrolment_token (
    id text primary key constraint enrolment_token_id_form check (id ~ '${TOKEN_ID}'),
    channel text not null constraint enrolment_token_channel_form check (channel ~ '${ID}'),
    secret_sha256 bytea not null
      constraint enrolment_token_digest_length check (length(secret_sha256) = 32),
    max_uses integer not null
      constraint enrolment_token_uses_range check (max_uses between 1 and 100000),
    uses integer not null default 0
      constraint enrolment_token_not_overused check (uses between 0 and max_uses),
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    suspended_at timestamptz
  )`,

  // Null: the server's default, which its configuration may change.
  `alter table channel alter column enrolment drop not null, alter column enrolment drop default`,
  `update channel set enrolment = null`,

  // Ids in the order of their bytes, so that a search by how they begin is a
  // range of the primary key, and the order is the same in every database.
  `alter table device alter column id type text collate "C"`,
  `alter table device_status alter column device_id type text collate "C"`,
  `alter table attempt alter column device_id type text collate "C"`,
  `alter table device_event alter column device_id type text collate "C"`,
  `alter table device
    add column enrolled_by text not null default '',
    add column key_conflict_at timestamptz`,
  `create index device_by_tag on device using gin (tags)`,
  `create index device_by_standing on device (standing, id) where standing <> 'accepted'`,
  // Failures are few, and looked for among very many attempts.
  `create index attempt_by_outcome on attempt (outcome, device_id) where outcome > 1`,
  `create table forgotten_device (
    id text collate "C" primary key constraint forgotten_device_id_form check (id ~ '${ID}'),
    key_epoch integer not null,
    forgotten_at timestamptz not null default now()
  )`,
  // How many devices came without an enrolment token: all together, and since a
  // window of an hour began.
  `create table open_enrolment (
    id smallint primary key default 1 constraint open_enrolment_is_one check (id = 1),
    device_count bigint not null
      constraint open_enrolment_count_range check (device_count >= 0),
    window_began_at timestamptz not null default 'epoch',
    window_count integer not null default 0
  )`,
  `insert into open_enrolment (device_count) select count(*) from device`,
  `alter table device_status
    add column other_boot_id text not null default '',
    add column cloned_at timestamptz`,

  `create table installation (
    id smallint primary key default 1 constraint installation_is_one check (id = 1),
    session_salt bytea not null default sha256(gen_random_uuid()::text::bytea),
    restored_at timestamptz
  )`,
  `insert into installation default values`,
];
