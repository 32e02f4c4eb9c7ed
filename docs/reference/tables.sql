-- Written by tools/render_docs.py from the declarations in the code; do not edit.

CREATE TABLE "input"."exchanges" (
  "exchange_id" VARCHAR,
  "ts" TIMESTAMP WITH TIME ZONE NOT NULL,
  "account_id" VARCHAR,
  "api_key_id" VARCHAR,
  "end_user_id" VARCHAR,
  "channel" VARCHAR,
  "region" VARCHAR,
  "ip" VARCHAR,
  "user_agent" VARCHAR,
  "sdk" VARCHAR,
  "ja4" VARCHAR,
  "model" VARCHAR,
  "operation" VARCHAR,
  "stream" BOOLEAN,
  "temperature" DOUBLE PRECISION,
  "top_p" DOUBLE PRECISION,
  "n" BIGINT,
  "max_tokens" BIGINT,
  "logprobs" BOOLEAN,
  "reasoning_effort" VARCHAR,
  "response_format" VARCHAR,
  "modalities" VARCHAR ARRAY,
  "tools" VARCHAR ARRAY,
  "turn" BIGINT,
  "conversation_id" VARCHAR,
  "system_prompt" VARCHAR,
  "prompt" VARCHAR,
  "response" VARCHAR,
  "reasoning_signature" VARCHAR,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "cached_tokens" BIGINT,
  "reasoning_tokens" BIGINT,
  "status" BIGINT,
  "latency_ms" DOUBLE PRECISION,
  "extra" VARCHAR,
  UNIQUE ("exchange_id")
);

CREATE TABLE "input"."accounts" (
  "account_id" VARCHAR NOT NULL,
  "created_at" TIMESTAMP WITH TIME ZONE,
  "kind" VARCHAR CHECK ("kind" IN ('individual', 'education', 'research', 'startup', 'enterprise', 'internal', 'reseller')),
  "country" VARCHAR,
  "email_domain" VARCHAR,
  "email_pattern" VARCHAR,
  "payment_fingerprint" VARCHAR,
  "billing_country" VARCHAR,
  "phone_hash" VARCHAR,
  "device_id" VARCHAR,
  "signup_ip" VARCHAR,
  "signup_user_agent" VARCHAR,
  "referral" VARCHAR,
  "organization" VARCHAR,
  "verified" BOOLEAN,
  PRIMARY KEY ("account_id")
);

CREATE TABLE "input"."launches" (
  "model" VARCHAR NOT NULL,
  "released_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY ("model")
);

CREATE TABLE "input"."agreements" (
  "account_id" VARCHAR,
  "organization" VARCHAR,
  "permits" VARCHAR NOT NULL CHECK ("permits" IN ('distillation', 'evaluation', 'resale')),
  "valid_from" TIMESTAMP WITH TIME ZONE,
  "valid_to" TIMESTAMP WITH TIME ZONE,
  "note" VARCHAR
);

CREATE TABLE "findings"."campaigns" (
  "campaign_id" VARCHAR NOT NULL,
  "lineage_id" VARCHAR,
  "verdict" VARCHAR NOT NULL CHECK ("verdict" IN ('distillation', 'benchmarking', 'shared_application', 'shared_network', 'education', 'reseller', 'batch_processing', 'enterprise', 'undetermined')),
  "probability" DOUBLE PRECISION NOT NULL,
  "q_value" DOUBLE PRECISION,
  "accounts" BIGINT,
  "exchanges" BIGINT,
  "sessions" BIGINT,
  "tasks" BIGINT,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "detectable_at" TIMESTAMP WITH TIME ZONE,
  "detectable_q" DOUBLE PRECISION,
  "capabilities" ROW("capability" VARCHAR, "share" DOUBLE PRECISION) ARRAY,
  "phase" VARCHAR CHECK ("phase" IN ('probing', 'ramp_up', 'sustained', 'pivot', 'wind_down', 'ended')),
  "actor" VARCHAR,
  "actor_probability" DOUBLE PRECISION,
  "explanation" VARCHAR,
  "linkage_bits" DOUBLE PRECISION,
  "strongest_family" VARCHAR,
  "stands_without" DOUBLE PRECISION,
  "fold_share" DOUBLE PRECISION,
  "fold_probability" DOUBLE PRECISION,
  "q_floor" DOUBLE PRECISION,
  "hypotheses" ROW("verdict" VARCHAR, "probability" DOUBLE PRECISION, "log_likelihood" DOUBLE PRECISION) ARRAY,
  "evidence_for" VARCHAR ARRAY,
  "evidence_against" VARCHAR ARRAY,
  "history" VARCHAR ARRAY,
  "missing" VARCHAR ARRAY,
  "case_id" BIGINT,
  "decision" VARCHAR CHECK ("decision" IN ('none', 'cleared', 'new_evidence', 'confirmed')),
  PRIMARY KEY ("campaign_id")
);

CREATE TABLE "findings"."members" (
  "campaign_id" VARCHAR NOT NULL,
  "account_id" VARCHAR NOT NULL,
  "probability" DOUBLE PRECISION NOT NULL,
  "exchanges" BIGINT,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "exchanges_total" BIGINT,
  "against" VARCHAR,
  "victim" VARCHAR,
  PRIMARY KEY ("campaign_id", "account_id")
);

CREATE TABLE "findings"."exchanges" (
  "exchange_id" VARCHAR NOT NULL,
  "campaign_id" VARCHAR NOT NULL,
  "capability" VARCHAR CHECK ("capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  "probability" DOUBLE PRECISION,
  "capability_probability" DOUBLE PRECISION,
  PRIMARY KEY ("exchange_id")
);

CREATE TABLE "findings"."evidence" (
  "campaign_id" VARCHAR NOT NULL,
  "kind" VARCHAR NOT NULL,
  "value" VARCHAR,
  "accounts" BIGINT,
  "bits" DOUBLE PRECISION,
  "why" VARCHAR
);

CREATE TABLE "findings"."activity" (
  "campaign_id" VARCHAR NOT NULL,
  "day" TIMESTAMP WITH TIME ZONE NOT NULL,
  "exchanges" BIGINT,
  "accounts" BIGINT,
  "population_exchanges" BIGINT,
  PRIMARY KEY ("campaign_id", "day")
);

CREATE TABLE "findings"."hours" (
  "campaign_id" VARCHAR NOT NULL,
  "account_id" VARCHAR NOT NULL,
  "hour" TIMESTAMP WITH TIME ZONE NOT NULL,
  "exchanges" BIGINT,
  PRIMARY KEY ("campaign_id", "account_id", "hour")
);

CREATE TABLE "findings"."usage" (
  "campaign_id" VARCHAR NOT NULL,
  "model" VARCHAR NOT NULL,
  "exchanges" BIGINT,
  "uncounted" BIGINT,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "cached_tokens" BIGINT,
  PRIMARY KEY ("campaign_id", "model")
);

CREATE TABLE "findings"."samples" (
  "campaign_id" VARCHAR NOT NULL,
  "template_id" VARCHAR NOT NULL,
  "pattern" VARCHAR,
  "exchanges" BIGINT,
  "accounts" BIGINT,
  "capability" VARCHAR CHECK ("capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  PRIMARY KEY ("campaign_id", "template_id")
);

CREATE TABLE "findings"."phases" (
  "campaign_id" VARCHAR NOT NULL,
  "number" BIGINT NOT NULL,
  "phase" VARCHAR NOT NULL CHECK ("phase" IN ('probing', 'ramp_up', 'sustained', 'pivot', 'wind_down', 'ended')),
  "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "ended_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "changed" VARCHAR ARRAY,
  "exchanges" BIGINT,
  "accounts" BIGINT,
  "rate" DOUBLE PRECISION,
  "rate_before" DOUBLE PRECISION,
  "population_ratio" DOUBLE PRECISION,
  "capabilities" ROW("capability" VARCHAR, "share" DOUBLE PRECISION) ARRAY,
  PRIMARY KEY ("campaign_id", "number")
);

CREATE TABLE "findings"."moves" (
  "campaign_id" VARCHAR NOT NULL,
  "launch" VARCHAR NOT NULL,
  "launched_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "inferred" BOOLEAN NOT NULL,
  "model" VARCHAR NOT NULL,
  "share_before" DOUBLE PRECISION,
  "share_after" DOUBLE PRECISION,
  "population_before" DOUBLE PRECISION,
  "population_after" DOUBLE PRECISION,
  "hours" DOUBLE PRECISION,
  PRIMARY KEY ("campaign_id", "launch", "model")
);

CREATE TABLE "findings"."pools" (
  "campaign_id" VARCHAR NOT NULL,
  "pool" BIGINT NOT NULL,
  "accounts" BIGINT NOT NULL,
  "exchanges" BIGINT,
  "started_at" TIMESTAMP WITH TIME ZONE,
  "stopped_at" TIMESTAMP WITH TIME ZONE,
  "took_over_from" VARCHAR,
  "gap_hours" DOUBLE PRECISION,
  "p_value" DOUBLE PRECISION,
  PRIMARY KEY ("campaign_id", "pool")
);

CREATE TABLE "findings"."quarantine" (
  "file" VARCHAR NOT NULL,
  "line" BIGINT NOT NULL,
  "reason" VARCHAR NOT NULL CHECK ("reason" IN ('unparsable', 'not_an_object', 'too_large', 'expands_too_far', 'too_deep', 'not_unicode', 'no_timestamp', 'bad_timestamp', 'time_out_of_range', 'number_out_of_range', 'unrecognised_record', 'unrecognised_file', 'id_conflict', 'connector_failure')),
  "detail" VARCHAR
);

CREATE TABLE "findings"."sightings" (
  "account_id" VARCHAR NOT NULL,
  "kind" VARCHAR NOT NULL,
  "value" VARCHAR NOT NULL,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "count" BIGINT NOT NULL,
  "label" VARCHAR,
  PRIMARY KEY ("account_id", "kind", "value")
);

CREATE TABLE "findings"."edges" (
  "account_a" VARCHAR NOT NULL,
  "account_b" VARCHAR NOT NULL,
  "bits" DOUBLE PRECISION NOT NULL,
  "families" VARCHAR ARRAY,
  PRIMARY KEY ("account_a", "account_b")
);

CREATE TABLE "findings"."groups" (
  "group_id" VARCHAR NOT NULL,
  "account_id" VARCHAR NOT NULL,
  "probability" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("group_id", "account_id")
);

CREATE TABLE "truth"."campaigns" (
  "campaign" VARCHAR NOT NULL,
  "label" VARCHAR NOT NULL CHECK ("label" IN ('distillation', 'benchmarking', 'shared_application', 'shared_network', 'education', 'reseller', 'batch_processing', 'enterprise', 'undetermined')),
  "actor" VARCHAR,
  "started_at" TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY ("campaign")
);

CREATE TABLE "truth"."members" (
  "campaign" VARCHAR NOT NULL,
  "account_id" VARCHAR NOT NULL,
  PRIMARY KEY ("campaign", "account_id")
);

CREATE TABLE "truth"."exchanges" (
  "exchange_id" VARCHAR NOT NULL,
  "campaign" VARCHAR NOT NULL,
  "capability" VARCHAR CHECK ("capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  "ts" TIMESTAMP WITH TIME ZONE,
  "account_id" VARCHAR,
  PRIMARY KEY ("exchange_id")
);

CREATE TABLE "truth"."accounts" (
  "account_id" VARCHAR NOT NULL,
  "language" VARCHAR,
  "vpn" BOOLEAN,
  PRIMARY KEY ("account_id")
);

CREATE TABLE "truth"."phases" (
  "campaign" VARCHAR NOT NULL,
  "phase" VARCHAR NOT NULL CHECK ("phase" IN ('probing', 'ramp_up', 'sustained', 'pivot', 'wind_down', 'ended')),
  "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "changed" VARCHAR CHECK ("changed" IN ('volume', 'capability', 'model', 'accounts')),
  PRIMARY KEY ("campaign", "started_at", "phase")
);

CREATE TABLE "power"."power" (
  "axis" VARCHAR NOT NULL,
  "value" DOUBLE PRECISION NOT NULL,
  "repeat" BIGINT NOT NULL,
  "accounts" BIGINT NOT NULL,
  "exchanges_per_account" BIGINT NOT NULL,
  "evasion" ROW("knob" VARCHAR, "care" DOUBLE PRECISION) ARRAY,
  "keep" DOUBLE PRECISION NOT NULL,
  "gap_days" BIGINT NOT NULL,
  "planted" BIGINT NOT NULL,
  "seen" BIGINT NOT NULL,
  "planted_exchanges" BIGINT NOT NULL,
  "recovered" BIGINT NOT NULL,
  "recall" DOUBLE PRECISION,
  "detected" BOOLEAN NOT NULL,
  "linked" BIGINT NOT NULL,
  "verdict" VARCHAR CHECK ("verdict" IN ('distillation', 'benchmarking', 'shared_application', 'shared_network', 'education', 'reseller', 'batch_processing', 'enterprise', 'undetermined')),
  "probability" DOUBLE PRECISION,
  "q_value" DOUBLE PRECISION,
  "decoys" BIGINT NOT NULL,
  "newly_accused" BIGINT,
  PRIMARY KEY ("axis", "value", "repeat")
);

CREATE TABLE "content"."classified" (
  "exchange_id" VARCHAR NOT NULL,
  "template_id" VARCHAR,
  "capability" VARCHAR NOT NULL CHECK ("capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  "probability" DOUBLE PRECISION NOT NULL,
  "benchmark" VARCHAR,
  "harvest" DOUBLE PRECISION,
  PRIMARY KEY ("exchange_id")
);

CREATE TABLE "cases"."cases" (
  "case_id" BIGINT NOT NULL,
  "campaign_id" VARCHAR NOT NULL,
  "state" VARCHAR NOT NULL CHECK ("state" IN ('open', 'confirmed', 'dismissed', 'appealed', 'merged')),
  "verdict" VARCHAR CHECK ("verdict" IN ('distillation', 'benchmarking', 'shared_application', 'shared_network', 'education', 'reseller', 'batch_processing', 'enterprise', 'undetermined')),
  "decided_at" VARCHAR,
  "decided_by" VARCHAR,
  "decided_snapshot" BIGINT,
  "parent" BIGINT,
  "merged_into" BIGINT,
  "sampled" BOOLEAN NOT NULL,
  "opened_at" VARCHAR NOT NULL,
  PRIMARY KEY ("case_id")
);

CREATE TABLE "cases"."snapshots" (
  "snapshot_id" BIGINT NOT NULL,
  "case_id" BIGINT NOT NULL,
  "taken_at" VARCHAR NOT NULL,
  "campaign_id" VARCHAR NOT NULL,
  "lineage_id" VARCHAR,
  "evidence_digest" VARCHAR NOT NULL,
  "key_fingerprint" VARCHAR,
  "version" VARCHAR,
  "verdict" VARCHAR NOT NULL CHECK ("verdict" IN ('distillation', 'benchmarking', 'shared_application', 'shared_network', 'education', 'reseller', 'batch_processing', 'enterprise', 'undetermined')),
  "probability" DOUBLE PRECISION NOT NULL,
  "q_value" DOUBLE PRECISION,
  "accounts" BIGINT NOT NULL,
  "exchanges" BIGINT,
  "least_bits" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("snapshot_id")
);

CREATE TABLE "cases"."evidence" (
  "snapshot_id" BIGINT NOT NULL,
  "kind" VARCHAR NOT NULL,
  "value" VARCHAR NOT NULL,
  "accounts" BIGINT,
  "bits" DOUBLE PRECISION NOT NULL,
  PRIMARY KEY ("snapshot_id", "kind", "value")
);

CREATE TABLE "cases"."accounts" (
  "token" VARCHAR NOT NULL,
  "account_id" VARCHAR NOT NULL,
  PRIMARY KEY ("token")
);

CREATE TABLE "cases"."members" (
  "case_id" BIGINT NOT NULL,
  "token" VARCHAR NOT NULL,
  "role" VARCHAR NOT NULL CHECK ("role" IN ('member', 'removed')),
  "snapshot_id" BIGINT NOT NULL,
  "probability" DOUBLE PRECISION,
  "exchanges" BIGINT,
  PRIMARY KEY ("case_id", "token")
);

CREATE TABLE "cases"."texts" (
  "text_id" BIGINT NOT NULL,
  "salt" VARCHAR NOT NULL,
  "words" VARCHAR NOT NULL,
  PRIMARY KEY ("text_id")
);

CREATE TABLE "cases"."audit" (
  "entry" BIGINT NOT NULL,
  "case_id" BIGINT,
  "at" VARCHAR NOT NULL,
  "by" VARCHAR NOT NULL,
  "act" VARCHAR NOT NULL CHECK ("act" IN ('open', 'sample', 'see', 'reopen', 'confirm', 'dismiss', 'split', 'merge', 'remove_account', 'restore_account', 'note', 'appeal', 'erase')),
  "text_id" BIGINT,
  "text_digest" VARCHAR,
  "before" VARCHAR,
  "after" VARCHAR,
  PRIMARY KEY ("entry")
);

CREATE TABLE "window_test"."windows" (
  "unit" VARCHAR NOT NULL,
  "window" BIGINT NOT NULL,
  "accounts" BIGINT NOT NULL,
  "queries" BIGINT NOT NULL,
  "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "ended_at" TIMESTAMP WITH TIME ZONE NOT NULL,
  "discrepancy" DOUBLE PRECISION NOT NULL,
  "threshold" DOUBLE PRECISION,
  "p_value" DOUBLE PRECISION NOT NULL,
  "unusual" BOOLEAN NOT NULL,
  PRIMARY KEY ("unit", "window")
);

CREATE TABLE "work"."ingested" (
  "exchange_id" VARCHAR,
  "ts" TIMESTAMP WITH TIME ZONE NOT NULL,
  "account_id" VARCHAR,
  "api_key_id" VARCHAR,
  "end_user_id" VARCHAR,
  "channel" VARCHAR,
  "region" VARCHAR,
  "ip" VARCHAR,
  "user_agent" VARCHAR,
  "sdk" VARCHAR,
  "ja4" VARCHAR,
  "model" VARCHAR,
  "operation" VARCHAR,
  "stream" BOOLEAN,
  "temperature" DOUBLE PRECISION,
  "top_p" DOUBLE PRECISION,
  "n" BIGINT,
  "max_tokens" BIGINT,
  "logprobs" BOOLEAN,
  "reasoning_effort" VARCHAR,
  "response_format" VARCHAR,
  "modalities" VARCHAR ARRAY,
  "tools" VARCHAR ARRAY,
  "turn" BIGINT,
  "conversation_id" VARCHAR,
  "system_prompt" VARCHAR,
  "prompt" VARCHAR,
  "response" VARCHAR,
  "reasoning_signature" VARCHAR,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "cached_tokens" BIGINT,
  "reasoning_tokens" BIGINT,
  "status" BIGINT,
  "latency_ms" DOUBLE PRECISION,
  "extra" VARCHAR,
  "source_file" INTEGER NOT NULL,
  "source_row" BIGINT NOT NULL,
  "id_digest" BIGINT NOT NULL,
  "content_digest" BIGINT NOT NULL,
  PRIMARY KEY ("source_file", "source_row")
);

CREATE TABLE "work"."staged" (
  "exchange_id" VARCHAR,
  "ts" TIMESTAMP WITH TIME ZONE NOT NULL,
  "account_id" VARCHAR,
  "api_key_id" VARCHAR,
  "end_user_id" VARCHAR,
  "channel" VARCHAR,
  "region" VARCHAR,
  "ip" VARCHAR,
  "user_agent" VARCHAR,
  "sdk" VARCHAR,
  "ja4" VARCHAR,
  "model" VARCHAR,
  "operation" VARCHAR,
  "stream" BOOLEAN,
  "temperature" DOUBLE PRECISION,
  "top_p" DOUBLE PRECISION,
  "n" BIGINT,
  "max_tokens" BIGINT,
  "logprobs" BOOLEAN,
  "reasoning_effort" VARCHAR,
  "response_format" VARCHAR,
  "modalities" VARCHAR ARRAY,
  "tools" VARCHAR ARRAY,
  "turn" BIGINT,
  "conversation_id" VARCHAR,
  "reasoning_signature" VARCHAR,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "cached_tokens" BIGINT,
  "reasoning_tokens" BIGINT,
  "status" BIGINT,
  "latency_ms" DOUBLE PRECISION,
  "source_file" INTEGER NOT NULL,
  "source_row" BIGINT NOT NULL,
  "id_digest" BIGINT NOT NULL,
  "content_digest" BIGINT NOT NULL,
  "ts_us" BIGINT NOT NULL,
  "prompt_digest" BIGINT,
  "text_digest" BIGINT,
  "prompt_chars" BIGINT,
  "response_chars" BIGINT,
  "structure_capability" VARCHAR CHECK ("structure_capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  "structure_probability" DOUBLE PRECISION,
  PRIMARY KEY ("source_file", "source_row")
);

CREATE TABLE "work"."texts" (
  "text_digest" BIGINT NOT NULL,
  "template_id" VARCHAR,
  "system_id" VARCHAR,
  "capability" VARCHAR CHECK ("capability" IN ('reasoning_trace', 'reward_grading', 'agentic_tool_use', 'coding', 'computer_use', 'vision', 'data_analysis', 'safety_rewrite', 'instruction_following', 'other')),
  "probability" DOUBLE PRECISION,
  "harvest" DOUBLE PRECISION,
  "benchmark" VARCHAR,
  "pattern" VARCHAR,
  "exchanges" BIGINT NOT NULL,
  PRIMARY KEY ("text_digest")
);

CREATE TABLE "work"."addresses" (
  "ip" VARCHAR NOT NULL,
  "address" VARCHAR,
  "prefix" VARCHAR,
  "asn" BIGINT,
  "as_name" VARCHAR,
  "network_kind" VARCHAR NOT NULL CHECK ("network_kind" IN ('hosting', 'vpn', 'education', 'unknown')),
  PRIMARY KEY ("ip")
);

CREATE TABLE "work"."blocks" (
  "account_id" VARCHAR NOT NULL,
  "ip" VARCHAR,
  "prefix" VARCHAR,
  "asn" VARCHAR,
  "ja4" VARCHAR,
  "sdk" VARCHAR,
  "user_agent" VARCHAR,
  "network_kind" VARCHAR CHECK ("network_kind" IN ('hosting', 'vpn', 'education', 'unknown')),
  "days" INTEGER ARRAY,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "count" BIGINT NOT NULL
);

CREATE TABLE "work"."sampling" (
  "account_id" VARCHAR NOT NULL,
  "habit" VARCHAR NOT NULL,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "count" BIGINT NOT NULL,
  "label" VARCHAR,
  PRIMARY KEY ("account_id", "habit")
);

CREATE TABLE "work"."profiles" (
  "account_id" VARCHAR NOT NULL,
  "exchanges" BIGINT NOT NULL,
  "first_seen" TIMESTAMP WITH TIME ZONE,
  "last_seen" TIMESTAMP WITH TIME ZONE,
  "days" BIGINT,
  "input_tokens" BIGINT,
  "output_tokens" BIGINT,
  "single_turn" BIGINT,
  "turn_known" BIGINT,
  "end_users" BIGINT,
  "models" BIGINT,
  "prompts" BIGINT,
  "text_known" BIGINT,
  PRIMARY KEY ("account_id")
);

CREATE TABLE "work"."rhythm" (
  "account_id" VARCHAR NOT NULL,
  "region" VARCHAR,
  "minute" BIGINT NOT NULL,
  "count" BIGINT NOT NULL,
  UNIQUE ("account_id", "region", "minute")
);
