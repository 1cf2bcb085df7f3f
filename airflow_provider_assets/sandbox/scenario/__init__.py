"""Scenario (https://docs.scenario.com): assets, archives of assets, and their jobs."""
