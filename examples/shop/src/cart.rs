//! The cart, which is one field of the session.

use std::collections::BTreeMap;

use axum::Json;
use serde::{Deserialize, Serialize};
use tower_keep::Key;

use crate::{
    guard::SignedIn,
    problem::{Body, Problem},
    products::{self, Product},
};

/// How many of each product, by its id.
type Cart = BTreeMap<String, u32>;

const CART: Key<Cart> = Key::new("cart");

/// The most of one product that are sold at once.
const MOST: u32 = 99;

#[derive(Deserialize)]
pub struct Addition {
    product: String,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

/// A cart as the client sees it.
#[derive(Serialize)]
pub struct Bill {
    items: Vec<Item>,
    /// In cents.
    total: u64,
    /// How many things there are in all.
    count: u32,
}

#[derive(Serialize)]
struct Item {
    #[serde(flatten)]
    product: &'static Product,
    quantity: u32,
}

impl Bill {
    fn of(cart: &Cart) -> Self {
        let items = cart.iter().filter_map(|(id, &quantity)| {
            // What is not sold any more has left the cart.
            Some(Item { product: products::find(id)?, quantity })
        });
        let items: Vec<Item> = items.collect();
        let total = items.iter().map(|item| item.product.price * u64::from(item.quantity)).sum();
        let count = items.iter().map(|item| item.quantity).sum();
        Self { items, total, count }
    }
}

pub async fn show(SignedIn { session, .. }: SignedIn) -> Result<Json<Bill>, Problem> {
    let cart = session.get(CART)?.unwrap_or_default();
    Ok(Json(Bill::of(&cart)))
}

/// Adds to the cart. However many requests do so at once, on whichever servers, nothing is lost:
/// `update` computes the cart again where another one was faster.
pub async fn add(
    SignedIn { session, .. }: SignedIn,
    Body(Addition { product, quantity }): Body<Addition>,
) -> Result<Json<Bill>, Problem> {
    if products::find(&product).is_none() {
        return Err(Problem::NoSuchProduct);
    }
    if !(1..=MOST).contains(&quantity) {
        return Err(Problem::Malformed("a quantity is between 1 and 99"));
    }
    let cart = session.update(CART, move |cart| {
        let of_it = cart.entry(product.clone()).or_default();
        *of_it = of_it.saturating_add(quantity).min(MOST);
    })?;
    Ok(Json(Bill::of(&cart)))
}

pub async fn clear(SignedIn { session, .. }: SignedIn) -> Result<Json<Bill>, Problem> {
    session.remove(CART)?;
    Ok(Json(Bill::of(&Cart::new())))
}
