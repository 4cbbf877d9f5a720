"""Search of hyper-parameters: equal budgets for all algorithms, on seeds that are never scored."""
