-- What comes to hold a customer's slots later than an instant, soonest first, without looking at all of it.

CREATE INDEX facts_beginning_idx ON read.facts (customer_id, lower(valid));
CREATE INDEX events_planning_idx ON read.events (customer_id, position)
    WHERE effective_from > recorded_at OR effective_to > recorded_at;
