"""The judgements: rules as YAML files, the checks that they name, and the engine that runs them. Pure."""
