// kafkajs: topics and settings, gzip, headers, groups that share and take over, transactions. KAFKA=host:port, kafkajs in NODE_PATH.
'use strict'
const assert = require('assert')
const crypto = require('crypto')
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')

const prefix = 'kafkajs-' + crypto.randomBytes(3).toString('hex')
const kafka = new Kafka({ clientId: prefix, brokers: [process.env.KAFKA], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const admin = kafka.admin()
const numbers = (from, to) => Array.from({ length: to - from }, (_, place) => from + place)
const byNumber = (one, other) => one - other

async function topic(name, numPartitions = 1, configEntries = []) {
  const made = `${prefix}-${name}`
  assert.equal(await admin.createTopics({ topics: [{ topic: made, numPartitions, configEntries }], waitForLeaders: true }), true)
  return made
}

async function until(what, condition) {
  const end = Date.now() + 30000
  while (!condition()) {
    assert(Date.now() < end, what)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

// The messages that a consumer of its own reads from the start, until there are so many.
async function read(name, count, more = {}) {
  const consumer = kafka.consumer({ groupId: `${prefix}-${crypto.randomBytes(3).toString('hex')}`, maxWaitTimeInMs: 100, ...more })
  const seen = []
  await consumer.connect()
  await consumer.subscribe({ topic: name, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { seen.push(message) } })
  await until(`${count} messages of ${name}, ${seen.length}`, () => seen.length >= count)
  await consumer.disconnect()
  assert.equal(seen.length, count)
  return seen
}

async function topics() {
  const name = await topic('topics', 2, [{ name: 'retention.ms', value: '3600000' }])
  assert.equal(await admin.createTopics({ topics: [{ topic: name }] }), false, 'it is not made twice')
  await admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] })
  const { topics: [described] } = await admin.fetchTopicMetadata({ topics: [name] })
  assert.equal(described.partitions.length, 3)
  const resource = { type: ConfigResourceTypes.TOPIC, name }
  const { resources: [config] } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }], includeSynonyms: false })
  assert.deepEqual(config.configEntries.map((entry) => [entry.configName, entry.configValue]), [['retention.ms', '3600000']])
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '7200000' }] }] })
  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, 1)
  await admin.deleteTopics({ topics: [name] })
  assert(!(await admin.listTopics()).includes(name))
}

async function messages() {
  for (const [codec, compression] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
    const name = await topic(`messages-${codec}`)
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const sent = numbers(0, 500).map((number) => ({ key: `key ${number}`, value: `value ${number}`.repeat(20), partition: 0, headers: { number: `${number}` } }))
    const [{ baseOffset }] = await producer.send({ topic: name, acks: -1, compression, messages: sent })
    assert.equal(baseOffset, '0')
    await producer.send({ topic: name, messages: [{ key: 'gone', value: null, timestamp: '1700000000123' }] })
    await producer.disconnect()
    const seen = await read(name, 501)
    assert.deepEqual(seen.slice(0, 500).map((message) => [message.key, message.value, message.headers.number].map(String)),
      sent.map((message) => [message.key, message.value, message.headers.number]))
    assert.deepEqual([String(seen[500].key), seen[500].value, seen[500].timestamp], ['gone', null, '1700000000123'])
    assert.deepEqual((await admin.fetchTopicOffsets(name)).map(({ low, high }) => [low, high]), [['0', '501']])
    assert.deepEqual((await admin.fetchTopicOffsetsByTimestamp(name, 4000000000000)).map(({ offset }) => offset), ['501'])
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '400' }] })
    assert.deepEqual((await admin.fetchTopicOffsets(name)).map(({ low }) => low), ['400'])
  }
}

async function groups() {
  const name = await topic('groups', 4)
  const groupId = `${prefix}-group`
  const producer = kafka.producer()
  await producer.connect()
  const write = (from, to) => producer.send({ topic: name, messages: numbers(from, to).map((number) => ({ value: `${number}`, partition: number % 4 })) })
  const member = async () => {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000 })
    const made = { consumer, seen: [], partitions: [] }
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { made.partitions = payload.memberAssignment[name] || [] })
    await consumer.connect()
    await consumer.subscribe({ topic: name, fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => { made.seen.push(Number(message.value)) } })
    return made
  }
  await write(0, 100)
  const first = await member()
  await until('one member reads all', () => first.seen.length >= 100)
  const second = await member()
  await until('two members share', () => first.partitions.length === 2 && second.partitions.length === 2)
  const { groups: [described] } = await admin.describeGroups([groupId])
  assert.deepEqual([described.state, described.members.length], ['Stable', 2])
  await first.consumer.disconnect()
  await until('who stays takes over', () => second.partitions.length === 4)
  await write(100, 200)
  await until('who stays reads all', () => new Set([...first.seen, ...second.seen]).size === 200)
  await second.consumer.disconnect()
  assert.deepEqual([...first.seen, ...second.seen].sort(byNumber), numbers(0, 200), 'positions stay')
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [name] })
  assert.deepEqual(partitions.map(({ offset }) => offset), ['50', '50', '50', '50'])
  await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 0, offset: '7' }] })
  const [{ partitions: set }] = await admin.fetchOffsets({ groupId, topics: [name] })
  assert.equal(set.find(({ partition }) => partition === 0).offset, '7')
  await admin.deleteGroups([groupId])
  assert(!(await admin.listGroups()).groups.some((group) => group.groupId === groupId))
  await producer.disconnect()
}

async function transactions() {
  const [source, target] = [await topic('source'), await topic('target')]
  const groupId = `${prefix}-copy`
  const settings = { transactionalId: `${prefix}-id`, idempotent: true, maxInFlightRequests: 1, retry: { retries: 1 } }
  const producer = kafka.producer(settings)
  await producer.connect()
  for (const commits of [false, true]) {
    const transaction = await producer.transaction()
    await transaction.send({ topic: target, messages: numbers(0, 20).map((number) => ({ value: `${commits} ${number}` })) })
    await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: source, partitions: [{ partition: 0, offset: '20' }] }] })
    await (commits ? transaction.commit() : transaction.abort())
    const [{ partitions: [{ offset }] }] = await admin.fetchOffsets({ groupId, topics: [source] })
    assert.equal(offset, commits ? '20' : '-1')
  }
  assert.deepEqual((await read(target, 20)).map(({ value }) => String(value)), numbers(0, 20).map((number) => `true ${number}`))
  assert.equal((await read(target, 40, { readUncommitted: true })).length, 40)
  const newer = kafka.producer(settings)
  await newer.connect()
  await (await newer.transaction()).abort()
  await assert.rejects(async () => (await producer.transaction()).send({ topic: target, messages: [{ value: 'from the dead' }] }),
    (error) => ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'].includes(error.type))
  await producer.disconnect()
  await newer.disconnect()
}

async function main() {
  await admin.connect()
  for (const check of [topics, messages, groups, transactions]) {
    const begun = Date.now()
    await check()
    console.error(`ok ${check.name} (${Date.now() - begun} ms)`)
  }
  await admin.disconnect()
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
