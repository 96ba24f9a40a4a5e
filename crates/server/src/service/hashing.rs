//! Password hashing, on threads of its own with a bounded queue: sign-ins wait for each other, and
//! nothing else waits for them.

mod queue;

pub use queue::Place;

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64Unpadded, Encoding};
use nightlatch_core::crypto::kdf::{Argon2Params, HashFailed, SALT_LENGTH, argon2id};
use nightlatch_core::memory::SecretBuffer;
use tokio::sync::oneshot;

use self::queue::Queue;
use super::error::ServiceError;
use crate::requester::Client;

/// How many passwords wait for each thread at most.
const QUEUE: usize = 64;
/// What a client is told to wait when the queue is full: about the time in which it empties.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The threads that hash passwords.
pub struct Hashing {
    queue: Arc<Queue>,
    params: Argon2Params,
    /// A hash of nothing that anybody knows, for emails without an account.
    decoy: String,
}

impl Hashing {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When a thread cannot be started, or the system provides no random numbers.
    pub fn start(threads: usize, params: Argon2Params) -> Result<Self, std::io::Error> {
        let threads = threads.max(1);
        let queue = Queue::new(QUEUE * threads);
        for _ in 0..threads {
            let queue = queue.clone();
            let work = move || {
                while let Some(job) = queue.next() {
                    job();
                }
            };
            std::thread::Builder::new()
                .name("password-hash".to_owned())
                .spawn(work)?;
        }
        let mut random = [0; SALT_LENGTH + 32];
        getrandom::fill(&mut random)?;
        let (salt, hash) = random.split_at(SALT_LENGTH);
        let decoy = encode(params, salt, hash);
        Ok(Self {
            queue,
            params,
            decoy,
        })
    }

    /// A place in the queue. Whoever has one is not told that it is full.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when the queue is full, or the client's network has its share of it.
    pub fn place(&self, client: &Client) -> Result<Place, ServiceError> {
        let busy = ServiceError::Busy {
            retry_after: RETRY_AFTER,
        };
        self.queue
            .take(client.network(), client.provider())
            .ok_or(busy)
    }

    /// Hashes the new password that `check` returns. Both are done in one turn of the queue.
    ///
    /// # Errors
    /// When it cannot be computed; inside, the refusal of `check`.
    pub async fn hash<E: Send + 'static>(
        &self,
        place: Place,
        check: impl FnOnce() -> Result<SecretBuffer, E> + Send + 'static,
    ) -> Result<Result<String, E>, ServiceError> {
        let params = self.params;
        run(place, move || {
            check()
                .map(|password| {
                    let mut salt = [0; SALT_LENGTH];
                    getrandom::fill(&mut salt)?;
                    let key = argon2id(password.expose(), &salt, params).map_err(failed)?;
                    Ok::<_, ServiceError>(encode(params, &salt, key.expose()))
                })
                .map_or_else(|refusal| Ok(Err(refusal)), |hash| hash.map(Ok))
        })
        .await?
    }

    /// Whether `password` is the one of `hash`. Without a hash the work is the same, and the answer
    /// `false`.
    ///
    /// # Errors
    /// When it cannot be computed.
    pub async fn verify(
        &self,
        place: Place,
        password: SecretBuffer,
        hash: Option<&str>,
    ) -> Result<bool, ServiceError> {
        let stored = hash.unwrap_or(&self.decoy).to_owned();
        run(place, move || {
            let Some((params, salt, expected)) = decode(&stored) else {
                tracing::error!("the stored hash of a password cannot be read");
                return Err(ServiceError::Internal);
            };
            let key = argon2id(password.expose(), &salt, params).map_err(failed)?;
            Ok(is_same(key.expose(), &expected))
        })
        .await?
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Runs work on a password in its turn.
async fn run<T: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    let (answer, answered) = oneshot::channel();
    place.run(move || {
        // A client that left needs no answer, and no work.
        if !answer.is_closed() {
            let _ = answer.send(work());
        }
    });
    answered.await.map_err(|_| ServiceError::Internal)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(error: HashFailed) -> ServiceError {
    tracing::error!("{error}");
    ServiceError::Unavailable
}

/// Compares without stopping at the first difference.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// A hash in the usual form: `$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH`.
fn encode(params: Argon2Params, salt: &[u8], hash: &[u8]) -> String {
    format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.memory_kib(),
        params.passes(),
        params.lanes(),
        Base64Unpadded::encode_string(salt),
        Base64Unpadded::encode_string(hash)
    )
}

fn decode(text: &str) -> Option<(Argon2Params, [u8; SALT_LENGTH], [u8; 32])> {
    let rest = text.strip_prefix("$argon2id$v=19$m=")?;
    let [costs, salt, hash] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let (memory, rest) = costs.split_once(",t=")?;
    let (passes, lanes) = rest.split_once(",p=")?;
    let [memory, passes, lanes] = [memory.parse(), passes.parse(), lanes.parse()];
    let params = Argon2Params::new(memory.ok()?, passes.ok()?, lanes.ok()?).ok()?;
    let salt = Base64Unpadded::decode_vec(salt).ok()?.try_into().ok()?;
    let hash = Base64Unpadded::decode_vec(hash).ok()?.try_into().ok()?;
    Some((params, salt, hash))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn password(text: &str) -> SecretBuffer {
        let mut buffer = SecretBuffer::with_capacity(text.len());
        assert!(buffer.push(text.as_bytes()));
        buffer
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let hashing = Hashing::start(1, Argon2Params::FLOOR).unwrap();
        let place = || hashing.place(&Client::default()).unwrap();
        let hash = hashing
            .hash(place(), || Ok::<_, ()>(password("correct horse")))
            .await;
        let hash = hash.unwrap().unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let verify = async |text, hash| {
            let verified = hashing.verify(place(), password(text), hash).await;
            verified.unwrap()
        };
        assert!(verify("correct horse", Some(&*hash)).await);
        assert!(!verify("correct horsf", Some(&*hash)).await);
        assert!(!verify("correct horse", None).await);
    }

    #[test]
    fn a_full_queue_says_when_to_come_back_and_has_room_for_another_network() {
        let hashing = Hashing::start(1, Argon2Params::FLOOR).unwrap();
        let client = |address: &str| Client::new(address.parse().ok(), None);
        let places: Vec<_> = (0..QUEUE / 2)
            .map(|at| hashing.place(&client(&format!("192.0.2.{at}"))).unwrap())
            .collect();
        let full = hashing.place(&client("192.0.2.200"));
        assert!(matches!(full, Err(ServiceError::Busy { .. })));
        assert!(hashing.place(&client("198.51.100.1")).is_ok());
        drop(places);
        assert!(hashing.place(&client("192.0.2.200")).is_ok());
    }

    #[test]
    fn a_hash_beyond_the_accepted_costs_is_not_computed() {
        let [salt, hash] = [[1; 16].as_slice(), &[2; 32]].map(Base64Unpadded::encode_string);
        let of = |costs: &str| decode(&format!("$argon2id$v=19$m={costs}${salt}${hash}"));
        assert!(of("65536,t=3,p=1").is_some());
        for bad in [
            "1,t=3,p=1",
            "65536,t=99,p=1",
            "65536,t=3",
            "99999999999,t=3,p=1",
        ] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
