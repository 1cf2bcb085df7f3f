"""Requests to the APIs of vendors, and the rules of every connection: certificates, proxies, time limits."""
