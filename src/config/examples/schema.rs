//! Prints the JSON Schema of configurations:
//! `cargo run -q -p config --example schema > configs/schema.json`.

fn main() {
    println!("{:#}", config::schema());
}
