//! Plays seeds in the worlds of [`simulations::deterministic`], for as long as one likes.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = simulations::deterministic::soak::run(
        std::env::args().skip(1),
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    );
    ExitCode::from(code)
}
