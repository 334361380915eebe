"""What every room may use: errors of users, checks of ranges, the number or schedule of an option."""
