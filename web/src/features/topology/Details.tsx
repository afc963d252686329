import { useRef, type ReactElement } from 'react'
import { roughDuration } from '../../lib/durations'
import { t } from '../../lib/i18n'
import { bytes, count, decimal } from '../../lib/numbers'
import { StateWord } from './StateWord'
import { isCounted, touches, type Connection, type Peer, type Rates, type Selection, type Topology } from './model'
import styles from './Details.module.css'

export type DetailsProps = {
  readonly document: Topology
  readonly rates: Rates
  readonly selection: Selection
  readonly onSelect: (selection: Selection) => void
}

/** What is known of the part or the connection that is looked at. */
export function Details({ document, rates, selection, onSelect }: DetailsProps): ReactElement {
  const aside = useRef<HTMLElement>(null)
  // The button that was pressed goes away with what it stood in: without this the keyboard begins again at the page's top.
  const selectWithin = (next: Selection): void => {
    aside.current?.focus()
    onSelect(next)
  }
  return (
    <aside ref={aside} className={styles['details']} aria-label={t('topology.details')} aria-live="off" tabIndex={-1}>
      <Content document={document} rates={rates} selection={selection} onSelect={selectWithin} />
    </aside>
  )
}

function Content({ document, rates, selection, onSelect }: DetailsProps): ReactElement {
  if (selection.kind === 'none') return <p className={styles['hint']}>{t('topology.hint')}</p>
  if (selection.kind === 'connection') {
    const connection = document.connections.find((row) => row.id === selection.id)
    if (connection === undefined) return <p className={styles['hint']}>{t('topology.hint')}</p>
    return <OneConnection connection={connection} rate={rates.get(connection.id) ?? 0} at={document.at} />
  }
  const nodes = document.roles.filter((role) => role.role === selection.name)
  return (
    <>
      <h2>{selection.name}</h2>
      {nodes.length === 0 ? <p>{t('topology.roleState.away')}</p> : null}
      {nodes.map((node) => (
        <div key={node.node}>
          <p>
            <b>{node.node}</b> {node.address} – {node.ready ? t('topology.roleState.ready') : t('topology.roleState.unready')}
          </p>
          {node.missing.map((missing) => (
            <p key={missing} className={styles['missing']}>
              {t('topology.missing', { what: missing })}
            </p>
          ))}
        </div>
      ))}
      <ul className={styles['list']}>
        {document.connections
          .filter((connection) => touches(selection, connection))
          .map((connection) => (
            <li key={connection.id}>
              <button type="button" onClick={() => onSelect({ kind: 'connection', id: connection.id })}>
                <span className={styles['id']}>{connection.id}</span>
                <span>{connection.from === selection.name ? t('topology.leads', { to: connection.to }) : t('topology.comes', { from: connection.from })}</span>
                <StateWord state={connection.state} />
              </button>
            </li>
          ))}
      </ul>
    </>
  )
}

type OneConnectionProps = { readonly connection: Connection; readonly rate: number; readonly at: number }

function countedRows(connection: Connection, rate: number, at: number): readonly (readonly [string, string])[] {
  return [
    [t('topology.column.openNow'), count(connection.open)],
    [t('topology.column.attempts'), count(connection.attempts)],
    [t('topology.column.requests'), rate > 0 ? t('topology.requestsWithRate', { requests: count(connection.requests), rate: decimal(rate, 1) }) : count(connection.requests)],
    [t('topology.column.bytes'), t('topology.bytesBothWays', { received: bytes(connection.bytesIn), sent: bytes(connection.bytesOut) })],
    [t('topology.column.errors'), count(connection.errors)],
    [t('topology.column.lastUse'), connection.lastUse === null ? t('topology.never') : t('topology.ago', { age: roughDuration(at - connection.lastUse) })],
  ]
}

function OneConnection({ connection, rate, at }: OneConnectionProps): ReactElement {
  const rows: readonly (readonly [string, string])[] = [
    [t('topology.column.protocol'), `${connection.protocol} ${connection.port}`],
    [t('topology.column.carries'), connection.carries],
    [t('topology.column.note'), connection.note],
    ...(isCounted(connection) ? countedRows(connection, rate, at) : []),
    [t('topology.column.coverage'), t(`topology.coverage.${connection.coverage}`)],
    [t('topology.column.proof'), connection.proof ?? ''],
    [t('topology.column.sameAs'), connection.sameAs.join(' ')],
  ]
  return (
    <>
      <h2>{connection.id}</h2>
      <p className={styles['ends']}>
        {connection.from} → {connection.to}
      </p>
      <p>
        <StateWord state={connection.state} /> <span className={styles['meaning']}>{t(`topology.stateMeaning.${connection.state}`)}</span>
      </p>
      {connection.why.map((reason) => (
        <p key={reason} className={styles['missing']}>
          {reason}
        </p>
      ))}
      <dl className={styles['rows']}>
        {rows
          .filter(([, value]) => value.trim() !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {connection.peers.length === 0 ? null : <Peers peers={connection.peers} />}
    </>
  )
}

/** More other ends than this are no reading matter; the command `trunkline topology --json` has them all. */
const PEERS_SHOWN = 40

function Peers({ peers }: { readonly peers: readonly Peer[] }): ReactElement {
  return (
    <>
      <h3>{t('topology.peers')}</h3>
      <ul className={styles['peers']}>
        {peers.slice(0, PEERS_SHOWN).map((peer) => (
          <li key={`${peer.node} ${peer.side} ${peer.peer}`}>{t('topology.peer', { node: peer.node, side: peer.side, peer: peer.peer, open: count(peer.open), requests: count(peer.requests) })}</li>
        ))}
      </ul>
      {peers.length > PEERS_SHOWN ? <p>{t('topology.morePeers', { more: peers.length - PEERS_SHOWN })}</p> : null}
    </>
  )
}
