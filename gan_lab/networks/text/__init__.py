"""Networks over tokens: sequences of whole numbers below `vocab_size`."""
