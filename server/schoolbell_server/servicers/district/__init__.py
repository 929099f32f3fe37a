"""DistrictService."""
