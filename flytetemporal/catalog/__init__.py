"""DataCatalog and CacheService."""
