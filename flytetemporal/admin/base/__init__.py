"""What two or more packages of admin use and what belongs to no single resource.

The dependencies of handlers, the tables with lookup by id, the schemas and pages of lists, validation with Flyte's
error texts, and ``engine``, the only door to Temporal. A rule of one resource belongs in the package of that resource.
"""
