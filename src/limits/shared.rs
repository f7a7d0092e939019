//! Limits that all nodes count together, in Redis.
//!
//! Each call is one script, which Redis runs atomically. Without an answer in time the node counts alone: a Redis that is down must not
//! become an outage.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redis::{Script, ScriptInvocation};
use tokio::time::timeout;

use super::SocketCount;
use super::{Crowd, Quota};
use crate::{cluster::redis::Redis, contract::UserId};

/// How long a request waits for Redis.
const TIMEOUT: Duration = Duration::from_millis(100);

/// How long no request waits for Redis after one waited in vain; a hanging Redis is detected by then.
const REST: Duration = Duration::from_secs(2);

/// How long the sockets of a node count that does not say again that they are there.
const SOCKETS_LIFE: Duration = Duration::from_secs(15);

/// Users whose sockets are reported together.
const BATCH: usize = 500;

/// At most so many in any span of time: the times of all that were let through. Answers whether this is one, how many there
/// are now, and in how many milliseconds the oldest is forgotten. What seems to have been in the future was before Redis's clock
/// was set back: it would be remembered for too long.
const WINDOW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, span = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. (now + 1000), '+inf')
local used = redis.call('ZCARD', KEYS[1])
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or now
local reset = oldest + span - now
if used >= limit then return {0, used, reset} end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], span)
return {1, used + 1, reset}
";

/// Charges a window as often as there are names, whether or not it is full.
const MORE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
";

/// Takes back the latest charge of a window.
const BACK: &str = r"
redis.call('ZPOPMAX', KEYS[1])
return 1
";

/// A token bucket, as the time at which it will be full (the generic cell rate algorithm, ITU-T I.371). Takes all tokens or
/// none, or as many as there are, or gives some back; answers in how many milliseconds there will be enough, and how many
/// were taken.
const BUCKET: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local burst, span, tokens, mode = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local token = span / burst
local full = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now), now), now + span)
if mode == 'back' then
  tokens = -tokens
elseif mode == 'some' then
  local there = math.floor((span - (full - now)) / token + 0.001)
  tokens = math.min(tokens, math.max(there, 0))
end
full = full + tokens * token
local wait = full - span - now
if mode == 'all' and wait > 0.001 then return {math.ceil(wait), 0} end
if full <= now then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now)) end
return {0, tokens}
";

/// The sockets of a user on each node, as `count:end:since`: how many, until when that counts, and since when the one is silent
/// that has been so for longest. With more than the limit (0: none) the node with the longest-silent one has to end it, and is
/// told so on its own channel. A node that does not listen to its channel is dead: its sockets count no more. Answers how many
/// have to end in all, and how many of them here.
const SOCKETS: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, count, limit, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local nodes, total = {}, count
if count > 0 then nodes[me] = {count = count, since = now - tonumber(ARGV[5])} end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local other, ends, since = string.match(all[i + 1], '(%d+):(%d+):(%d+)')
  if not other or tonumber(ends) <= now then redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= me then
    nodes[all[i]] = {count = tonumber(other), ends = ends, since = tonumber(since)}
    total = total + other
  end
end
if limit > 0 and total > limit then
  for name, node in pairs(nodes) do
    if name ~= me and redis.call('PUBSUB', 'NUMSUB', ARGV[6] .. name)[2] == 0 then
      total = total - node.count
      nodes[name] = nil
      redis.call('HDEL', KEYS[1], name)
    end
  end
end
local here, evicted = 0, 0
while limit > 0 and total > limit do
  local victim
  for name, node in pairs(nodes) do
    if node.count > 0 and (not victim or node.since < nodes[victim].since) then victim = name end
  end
  local node = nodes[victim]
  total, evicted = total - 1, evicted + 1
  node.count, node.since = node.count - 1, now
  if victim == me then here = here + 1
  else
    redis.call('PUBLISH', ARGV[6] .. victim, ARGV[7])
    redis.call('HSET', KEYS[1], victim, string.format('%d:%s:%d', node.count, node.ends, node.since))
  end
end
if count == 0 then redis.call('HDEL', KEYS[1], me)
else
  redis.call('HSET', KEYS[1], me, string.format('%d:%d:%d', nodes[me].count, now + life, nodes[me].since))
  redis.call('PEXPIRE', KEYS[1], life)
end
return {evicted, here}
";

/// How tokens change hands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// All that are asked for, or none.
    All,
    /// As many as are there.
    UpTo,
    /// They were taken before and not needed.
    Back,
}

/// What the nodes count together.
#[derive(Debug)]
pub(super) struct RedisLimits {
    redis: Redis,
    window: Script,
    more: Script,
    back: Script,
    bucket: Script,
    sockets: Script,
    /// Tells requests of one millisecond apart.
    counter: AtomicU64,
    /// When Redis last did not answer in time.
    hung: Mutex<Option<Instant>>,
}

impl RedisLimits {
    pub(super) fn new(redis: Redis) -> Self {
        let [window, more, back, bucket, sockets] = [WINDOW, MORE, BACK, BUCKET, SOCKETS].map(Script::new);
        Self { redis, window, more, back, bucket, sockets, counter: AtomicU64::new(0), hung: Mutex::default() }
    }

    /// Charges `key` once in a window, or says how long to wait. Nothing when Redis does not answer.
    pub(super) async fn window(&self, key: &str, limit: u32, span: Duration) -> Option<Result<Quota, Duration>> {
        let mut question = self.window.prepare_invoke();
        question.key(window_key(key)).arg(limit).arg(millis(span)).arg(self.unique());
        let (taken, used, reset): (u8, u32, u64) = self.ask(&question).await?;
        let reset = Duration::from_millis(reset);
        Some(if taken == 1 { Ok(Quota { limit, remaining: limit.saturating_sub(used), reset }) } else { Err(reset) })
    }

    /// Charges `key` that often more, whether or not it may be. False when Redis does not answer.
    pub(super) async fn charge_more(&self, key: &str, times: u32, span: Duration) -> bool {
        let mut question = self.more.prepare_invoke();
        question.key(window_key(key)).arg(millis(span));
        for _ in 0..times {
            question.arg(self.unique());
        }
        self.ask::<u8>(&question).await.is_some()
    }

    /// Takes back the latest charge of `key`. False when Redis does not answer.
    pub(super) async fn give_back(&self, key: &str) -> bool {
        self.ask::<u8>(self.back.prepare_invoke().key(window_key(key))).await.is_some()
    }

    /// Tells charges of one millisecond apart.
    fn unique(&self) -> String {
        format!("{}:{}", self.redis.node(), self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes tokens of `key`'s bucket, which has `burst` of them when it is full and fills in a span; answers how many were
    /// taken, or how long to wait. Nothing when Redis does not answer.
    pub(super) async fn bucket(
        &self,
        key: &str,
        (burst, span): (u32, Duration),
        tokens: u32,
        take: Take,
    ) -> Option<Result<u32, Duration>> {
        let mode = match take {
            Take::All => "all",
            Take::UpTo => "some",
            Take::Back => "back",
        };
        let mut question = self.bucket.prepare_invoke();
        question.key(format!("parlour:bucket:{key}")).arg(burst).arg(millis(span)).arg(tokens).arg(mode);
        let (wait, taken): (u64, i64) = self.ask(&question).await?;
        let taken = u32::try_from(taken).unwrap_or(0);
        Some(if wait == 0 { Ok(taken) } else { Err(Duration::from_millis(wait)) })
    }

    /// Counts the sockets of a user here, besides those on other nodes. Nothing when Redis does not answer.
    pub(super) async fn socket(&self, user: UserId, here: SocketCount, limit: usize) -> Option<Crowd> {
        let (channels, text) = self.redis.eviction(user);
        let mut question = self.sockets.prepare_invoke();
        question.key(sockets_key(user)).arg(self.redis.node().to_string());
        question.arg(here.count).arg(limit).arg(millis(SOCKETS_LIFE)).arg(millis(here.silence)).arg(channels).arg(text);
        let (evicted, here): (usize, usize) = self.ask(&question).await?;
        Some(if evicted == 0 { Crowd::Fits } else { Crowd::TooMany { here } })
    }

    /// Tells how many sockets users have here.
    pub(super) async fn note_sockets(&self, users: &[(UserId, SocketCount)]) {
        for some in users.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            // Redis may have forgotten the script; it is sent once, not for every user.
            pipeline.cmd("SCRIPT").arg("LOAD").arg(SOCKETS).ignore();
            for (user, here) in some {
                pipeline.cmd("EVALSHA").arg(self.sockets.get_hash()).arg(1).arg(sockets_key(*user));
                pipeline.arg(self.redis.node().to_string()).arg(here.count).arg(0).arg(millis(SOCKETS_LIFE));
                pipeline.arg(millis(here.silence)).arg("").arg("").ignore();
            }
            if pipeline.exec_async(&mut self.redis.commands()).await.is_err() {
                // They are reported again soon.
                return;
            }
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, question: &ScriptInvocation<'_>) -> Option<T> {
        let hung = self.hung.lock().is_some_and(|hung| hung.elapsed() < REST);
        if hung || !self.redis.is_up() {
            return None;
        }
        match timeout(TIMEOUT, question.invoke_async(&mut self.redis.commands())).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a limit is counted here alone");
                None
            }
            Err(_) => {
                *self.hung.lock() = Some(Instant::now());
                None
            }
        }
    }
}

fn window_key(key: &str) -> String {
    format!("parlour:window:{key}")
}

fn sockets_key(user: UserId) -> String {
    format!("parlour:sockets:{user}")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
