// AWS SDK for JavaScript v3: buffers, streams and multipart uploads. VERB [TREE] BUCKET PREFIX.
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

// The SDK is not beside this file: NODE_MODULES says where it is.
const require = createRequire(join(process.env.NODE_MODULES, "/"));
const { S3Client, PutObjectCommand, GetObjectCommand, DeleteObjectsCommand, paginateListObjectsV2 } =
  require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const PART_SIZE = 5 * 1024 * 1024;
const s3 = new S3Client({ endpoint: process.env.S3_ENDPOINT, forcePathStyle: true, maxAttempts: 1 });

async function push(tree, bucket, prefix) {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  let streamed = false;
  for (const entry of entries.filter((found) => found.isFile())) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const target = { Bucket: bucket, Key: prefix + relative(tree, path) };
    const { size } = await stat(path);
    if (size > PART_SIZE) {
      await new Upload({ client: s3, partSize: PART_SIZE, params: { ...target, Body: createReadStream(path) } }).done();
    } else {
      // A stream goes out in chunks with a trailer, a buffer whole: each file in turn.
      streamed = !streamed;
      const body = streamed ? { Body: createReadStream(path), ContentLength: size } : { Body: await readFile(path) };
      await s3.send(new PutObjectCommand({ ...target, ...body }));
    }
  }
}

async function* list(bucket, prefix) {
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix })) {
    yield* page.Contents ?? [];
  }
}

async function pull(tree, bucket, prefix) {
  for await (const { Key } of list(bucket, prefix)) {
    const path = join(tree, Key.slice(prefix.length));
    await mkdir(dirname(path), { recursive: true });
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
    await pipeline(Body, createWriteStream(path));
  }
}

async function remove(bucket, prefix) {
  const keys = [];
  for await (const { Key } of list(bucket, prefix)) keys.push({ Key });
  const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys } }));
  if (Errors?.length) throw new Error(JSON.stringify(Errors));
}

const [verb, ...rest] = process.argv.slice(2);
if (verb === "list") {
  for await (const { Key, Size } of list(...rest)) console.log(`${Size}\t${Key}`);
} else {
  await { push, pull, remove }[verb](...rest);
}
