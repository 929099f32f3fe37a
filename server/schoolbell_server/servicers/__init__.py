"""The services of the contract: each RPC reads its request, asks the storage, writes its answer."""
