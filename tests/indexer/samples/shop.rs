//! Orders.
use std::collections::{HashMap, hash_map::Entry as Slot};
use crate::store::*;
pub use self::cart::Cart;
mod cart;

pub const LIMIT: usize = 10;

/// Keeps the orders.
#[derive(Debug)]
pub struct Shop<'a> {
    store: Store,
    names: HashMap<&'a str, u8>,
}

pub enum Status { Open, Closed(u8) }

pub trait Named: Debug {
    fn name(&self) -> String;
}

impl<'a> Named for Shop<'a> {
    // The name.
    fn name(&self) -> String {
        self.store.name()
    }
}

type Id = u64;

macro_rules! order { () => {}; }

/// Makes a shop.
pub async fn open(path: &str) -> Result<Shop<'_>, Error> {
    let store = Store::open(path)?;
    println!("open {}", path);
    let c = '"';
    Ok(Shop { store, names: HashMap::new() })
}
