using System;

namespace Hutch.Block.Jobs;

/// <summary>A copy failed: where, whether in reading or writing, and why.</summary>
public sealed class CopyException(string message, Exception cause) : Exception(message, cause);
