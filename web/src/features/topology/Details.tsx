import type { ReactElement } from 'react'
import { roughDuration } from '../../lib/durations'
import { messages } from '../../lib/messages'
import { bytes, count, decimal } from '../../lib/numbers'
import { StateWord } from './StateWord'
import { isCounted, touches, type Connection, type Peer, type Rates, type Selection, type Topology } from './model'
import styles from './Details.module.css'

const text = messages.topology

export type DetailsProps = {
  readonly document: Topology
  readonly rates: Rates
  readonly selection: Selection
  readonly onSelect: (selection: Selection) => void
}

/** What is known of the part or the connection that is looked at. */
export function Details({ document, rates, selection, onSelect }: DetailsProps): ReactElement {
  return (
    <aside className={styles['details']} aria-label={text.details} aria-live="off">
      <Content document={document} rates={rates} selection={selection} onSelect={onSelect} />
    </aside>
  )
}

function Content({ document, rates, selection, onSelect }: DetailsProps): ReactElement {
  if (selection.kind === 'none') return <p className={styles['hint']}>{text.hint}</p>
  if (selection.kind === 'connection') {
    const connection = document.connections.find((row) => row.id === selection.id)
    if (connection === undefined) return <p className={styles['hint']}>{text.hint}</p>
    return <OneConnection connection={connection} rate={rates.get(connection.id) ?? 0} at={document.at} />
  }
  const nodes = document.roles.filter((role) => role.role === selection.name)
  return (
    <>
      <h2>{selection.name}</h2>
      {nodes.length === 0 ? <p>{text.roleState.away}</p> : null}
      {nodes.map((node) => (
        <div key={node.node}>
          <p>
            <b>{node.node}</b> {node.address} – {node.ready ? text.roleState.ready : text.roleState.unready}
          </p>
          {node.missing.map((missing) => (
            <p key={missing} className={styles['missing']}>
              {text.missing(missing)}
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
                <span>{connection.from === selection.name ? text.leads(connection.to) : text.comes(connection.from)}</span>
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
    [text.column.openNow, count(connection.open)],
    [text.column.attempts, count(connection.attempts)],
    [text.column.requests, rate > 0 ? text.requestsWithRate(count(connection.requests), decimal(rate, 1)) : count(connection.requests)],
    [text.column.bytes, text.bytesBothWays(bytes(connection.bytesIn), bytes(connection.bytesOut))],
    [text.column.errors, count(connection.errors)],
    [text.column.lastUse, connection.lastUse === null ? text.never : text.ago(roughDuration(at - connection.lastUse))],
  ]
}

function OneConnection({ connection, rate, at }: OneConnectionProps): ReactElement {
  const rows: readonly (readonly [string, string])[] = [
    [text.column.protocol, `${connection.protocol} ${connection.port}`],
    [text.column.carries, connection.carries],
    [text.column.note, connection.note],
    ...(isCounted(connection) ? countedRows(connection, rate, at) : []),
    [text.column.coverage, text.coverage[connection.coverage]],
    [text.column.proof, connection.proof ?? ''],
    [text.column.sameAs, connection.sameAs.join(' ')],
  ]
  return (
    <>
      <h2>{connection.id}</h2>
      <p className={styles['ends']}>
        {connection.from} → {connection.to}
      </p>
      <p>
        <StateWord state={connection.state} /> <span className={styles['meaning']}>{text.stateMeaning[connection.state]}</span>
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
      <h3>{text.peers}</h3>
      <ul className={styles['peers']}>
        {peers.slice(0, PEERS_SHOWN).map((peer) => (
          <li key={`${peer.node} ${peer.side} ${peer.peer}`}>{text.peer(peer.node, peer.side, peer.peer, count(peer.open), count(peer.requests))}</li>
        ))}
      </ul>
      {peers.length > PEERS_SHOWN ? <p>{text.morePeers(peers.length - PEERS_SHOWN)}</p> : null}
    </>
  )
}
