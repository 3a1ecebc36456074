// The scenario picker: a card for each, and what the chosen one is made of.

import { html } from "./dom.js";
import { count, percent, words } from "./format.js";
import { ShareBar, Shares } from "./shares.js";

const RATES = [
  ["users", "users"],
  ["companies", "companies"],
  ["branchRatio", "companies with branches"],
  ["products", "products"],
  ["ordersPerDay", "orders a day"],
  ["maintenanceVisitsPerWeek", "maintenance visits a week"],
];

export function ScenarioPicker({ scenarios, chosen, onChoose }) {
  const current = scenarios.find((scenario) => scenario.name === chosen);
  return html`
    <fieldset class="scenarios">
      <legend>Scenario</legend>
      <div class="cards">
        ${scenarios.map((scenario) => html`
          <${Card} key=${scenario.name} scenario=${scenario} checked=${scenario.name === chosen}
            onChoose=${onChoose} />
        `)}
      </div>
    </fieldset>
    ${current && html`<${Makeup} scenario=${current} />`}
  `;
}

function Card({ scenario, checked, onChoose }) {
  const { name, description, entityRates, distributions, anomalyRate, builtIn } = scenario;
  return html`
    <label class="card">
      <input type="radio" name="scenario" value=${name} checked=${checked}
        onChange=${() => onChoose(name)} />
      <span class="card-body">
        <span class="card-title">${name} ${!builtIn && html`<span class="tag">own</span>`}</span>
        <span class="card-text">${description}</span>
        <${ShareBar} shares=${distributions.orderStatus} label="Order status" />
        <span class="card-facts">
          <span><b>${count(entityRates.ordersPerDay)}</b> orders a day</span>
          <span><b>${percent(anomalyRate)}</b> anomalies</span>
        </span>
      </span>
    </label>
  `;
}

/** Shares, rates and anomalies of one scenario. */
function Makeup({ scenario }) {
  const { entityRates, distributions, anomalyRate, anomalyConfig, timeSeries } = scenario;
  const { kind, exponent, topShare } = distributions.productPopularity;
  const shape = [kind, exponent && `exponent ${exponent}`, topShare && `top ${percent(topShare)}`];
  return html`
    <details class="makeup">
      <summary>What <b>${scenario.name}</b> is made of</summary>
      <div class="makeup-body">
        <${Shares} label="Order status" shares=${distributions.orderStatus} />
        <${Shares} label="Payment of delivered orders" shares=${distributions.paymentStatus} />
        <${Shares} label="Payment terms" shares=${distributions.paymentTerms} />
        <${Shares} label="Regions" shares=${distributions.regionDistribution} />
        <dl class="facts">
          ${RATES.map(([key, text]) => html`
            <div>
              <dt>${words(text)}</dt>
              <dd>${(key === "branchRatio" ? percent : count)(entityRates[key])}</dd>
            </div>
          `)}
        </dl>
        <dl class="facts">
          <div><dt>Late deliveries</dt><dd>${percent(distributions.deliveryDelays)}</dd></div>
          <div><dt>Product popularity</dt><dd>${shape.filter(Boolean).join(", ")}</dd></div>
          <div><dt>Growth a month</dt><dd>${percent(timeSeries.growthPerMonth)}</dd></div>
          <div><dt>Orders on a Friday</dt><dd>×${timeSeries.weekdayWeights.Friday}</dd></div>
          <div><dt>Orders on a holiday</dt><dd>×${timeSeries.holidayWeight}</dd></div>
          <div><dt>Orders in Ramadan</dt><dd>×${timeSeries.ramadanWeight}</dd></div>
        </dl>
        <div class="anomalies">
          <h2 class="minor">
            Anomalies: ${percent(anomalyConfig.rate ?? anomalyRate)}, ${anomalyConfig.clustering}
          </h2>
          <ul class="tags">
            ${anomalyConfig.types.map((type) => html`<li class="tag">${words(type)}</li>`)}
          </ul>
        </div>
      </div>
    </details>
  `;
}
