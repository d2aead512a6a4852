"""What tests are written with: steps or apps of yours, visitors, phones, servers."""
