"""Huawei Cloud ROMA Connect (asset export) and the IAM in front of it."""
