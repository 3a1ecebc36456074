\pset footer off
\echo 'What was sold and delivered, month by month (EGP):'
SELECT to_char(order_date AT TIME ZONE 'Africa/Cairo', 'YYYY-MM') AS month,
       count(*) AS orders,
       sum(grand_total) FILTER (WHERE status = 'Delivered') AS delivered
FROM mock_data.orders
GROUP BY 1
ORDER BY 1;

\echo 'Who owes most, and for how long already:'
SELECT c.name, c.payment_due_type AS terms, c.total_outstanding_amount AS owes,
       max(o.days_overdue) AS days_overdue
FROM mock_data.companies c
JOIN mock_data.orders o USING (company_id)
GROUP BY c.company_id
ORDER BY c.total_outstanding_amount DESC, c.company_id
LIMIT 5;

\echo 'Do the books add up? Each order against its lines, its payments and its labels:'
SELECT count(*) AS orders,
       count(*) FILTER (WHERE o.grand_total <> i.total - o.discount_amount + o.tax_total) AS wrong_totals,
       count(*) FILTER (WHERE o.payment_status = 'Paid' AND p.paid IS DISTINCT FROM o.grand_total) AS wrong_payments,
       count(*) FILTER (WHERE l.entity_id IS NOT NULL) AS labelled_anomalies
FROM mock_data.orders o
JOIN (SELECT order_id, sum(line_total) AS total FROM mock_data.order_items GROUP BY 1) i USING (order_id)
LEFT JOIN (SELECT order_id, sum(amount) AS paid FROM mock_data.payments GROUP BY 1) p USING (order_id)
LEFT JOIN (SELECT DISTINCT entity_id FROM mock_data.anomaly_labels WHERE entity = 'orders') l
       ON l.entity_id = o.order_id;
