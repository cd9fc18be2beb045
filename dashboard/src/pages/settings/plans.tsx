import { useSignal } from '@preact/signals';
import { hub, ok } from '../../api/client';
import type { Plan, PlanRow, Tenant } from '../../api/types';
import { useLoaded } from '../../lib/load';
import { below, capital, count, grants } from '../../lib/plans';
import { confirmed, operates } from '../../lib/session';
import { Confirm } from '../../ui/confirm';
import { OneOf } from '../../ui/field';
import { Num, Table } from '../../ui/table';
import { Failed, Loading } from '../../ui/empty';
import { toast } from '../../ui/toast';

const whose = (tenant: Tenant) =>
  tenant.owner ? tenant.owner.name || tenant.owner.login : tenant.own ? 'The hub itself' : tenant.id;

function Change({ tenant, plans, onClose }: { tenant: Tenant; plans: PlanRow[]; onClose: () => void }) {
  const plan = useSignal<Plan>(tenant.plan);
  return (
    <Confirm
      title={`Plan of ${whose(tenant)}`}
      verb="Change the plan"
      doing="Changing…"
      ready={plan.value !== tenant.plan}
      danger={below(plan.value, tenant.plan)}
      onClose={onClose}
      action={async () => {
        await confirmed(() =>
          ok(hub.PATCH('/api/v1/tenants/{id}', { params: { path: { id: tenant.id } }, body: { plan: plan.value } })),
        );
        toast(`${whose(tenant)} has ${capital(plan.value)} at most from the next request on`);
      }}
    >
      <OneOf
        legend="Their keys have at most"
        name="plan"
        value={plan.value}
        options={plans.map((row) => [row.plan, capital(row.plan), grants(row)])}
        onPick={(next) => (plan.value = next)}
      />
      {below(plan.value, tenant.plan) && (
        <p>
          It holds for the next request of each of their keys: one that asks for more is refused with 429. What stands on the keys
          stays, and holds again when you raise it.
        </p>
      )}
    </Confirm>
  );
}

function Tenants({ plans }: { plans: PlanRow[] }) {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/tenants', { params: { query: { limit: 1000 } } })));
  const open = useSignal<Tenant | null>(null);
  const rows = value.value?.data;
  return (
    <section class="stack" aria-label="Tenants">
      <div>
        <h2>Tenants</h2>
        <p class="muted">
          Every owner and every member is one: terminals, keys and trades of one are not there for another. You set how much the
          keys of each may ask for at most.
        </p>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {rows && (
        <Table label="Tenants" names={[['Whose'], ['At most'], ['Keys', 'num'], ['Tokens', 'num'], ['Users', 'num']]}>
          {rows.map((tenant) => (
            <tr role="row" key={tenant.id}>
              <td role="cell" class="wide">
                <strong>{whose(tenant)}</strong>{' '}
                <span class="muted small">
                  {tenant.owner?.login}
                  {tenant.own && ' · runs this hub'}
                  {tenant.owner?.state === 'disabled' && ' · disabled'}
                </span>
              </td>
              <td role="cell" data-label="At most">
                {capital(tenant.plan)}
              </td>
              <Num label="Keys">{count(tenant.keys)}</Num>
              <Num label="Tokens">{count(tenant.tokens)}</Num>
              <Num label="Users">{count(tenant.users)}</Num>
              <td role="cell" class="actions">
                <button type="button" onClick={() => (open.value = tenant)}>
                  Change…<span class="visually-hidden"> the plan of {whose(tenant)}</span>
                </button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {open.value && (
        <Change
          tenant={open.value}
          plans={plans}
          onClose={() => {
            open.value = null;
            void load();
          }}
        />
      )}
    </section>
  );
}

/** How much keys may ask for; for whoever runs the hub, of whom. */
export function Plans() {
  const { value, failure, load } = useLoaded(() => ok(hub.GET('/api/v1/plans')));
  const plans = value.value;
  return (
    <div class="stack plans">
      <div>
        <h2>Plans</h2>
        <p class="muted">How many requests an API key may make; each key has one. What it may trade is limited elsewhere.</p>
      </div>
      {failure.value && <Failed what={failure.value} again={() => void load()} />}
      {!plans && !failure.value && <Loading rows={2} />}
      {plans && (
        <>
          <p class="note">
            {plans.ceiling === 'unlimited' ? (
              <>Your keys may have any of them.</>
            ) : (
              <>
                Your keys have <strong>{capital(plans.ceiling)}</strong> at most, whatever stands on them.
                {!operates.value && ' Whoever runs this hub can change that.'}
              </>
            )}
          </p>
          <Table label="Plans" names={[['Plan'], ['Requests an hour', 'num'], ['At once', 'num'], ['Your keys', 'num']]} last="">
            {plans.data.map((row) => (
              <tr role="row" key={row.plan}>
                <td role="cell" class="wide">
                  <strong>{capital(row.plan)}</strong> {!row.available && <span class="badge plain">above yours</span>}
                </td>
                <Num label="Requests an hour">{row.requests_per_hour === null ? 'no limit' : count(row.requests_per_hour)}</Num>
                <Num label="At once">{row.concurrent === null ? 'no limit' : count(row.concurrent)}</Num>
                <Num label="Your keys">{count(row.keys)}</Num>
              </tr>
            ))}
          </Table>
          <p class="small muted">
            Requests come back evenly, so a spent hour is never shut until it ends. Calls that close or cancel have a reserve of
            their own, {grants(plans.beside.reduce)}, and dead-man timers another, {grants(plans.beside.deadman)}.
          </p>
        </>
      )}
      {plans && operates.value && <Tenants plans={plans.data} />}
    </div>
  );
}
